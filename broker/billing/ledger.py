"""The ledger: what each business event moves between its accounts. Balances are derived. Called with the open transaction.

Debits are positive, credits negative. That nothing in it changes and every transaction balances, the database itself sees to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import and_, case, func, insert, or_, select

from broker.billing.models import LedgerEntry, LedgerTransaction
from broker.billing.pricing import CreditKind, Statement
from broker.kernel.db import Tx
from broker.kernel.ids import new_id


class LedgerAccount(StrEnum):
    """Where money stands. Each payer has all of them."""

    RECEIVABLE = "receivable"
    """Invoiced and not paid."""
    CARRIED = "carried"
    """Owed, and too little to be invoiced."""
    SALES = "sales"
    """By service."""
    TAX = "tax"
    PROMO = "credit:promo"
    """Promotional credits that were granted and not used."""
    PREPAID = "credit:prepaid"
    PROMOTIONS = "promotions"
    """What promotional credits cost whoever runs the installation."""
    FUNDS = "funds"
    """What prepaid credits were bought with."""
    CASH = "cash"
    """Money that came in and was not paid out."""
    FEES = "fees"
    """What those keep who collect the money."""
    WITHHELD = "withheld"
    """Taken back by a bank from what invoices had taken, until it is decided whose it is."""
    LOSSES = "losses"
    """Gone from what no invoice had taken: what was more than an invoice asked for is a credit, and stays one."""
    SHARES = "shares"
    """What of the sales is the partners', by service."""
    PARTNERS = "partners"
    """What the partners are owed, by service; their debt, if more was taken back."""
    PAYOUTS = "payouts"
    """On its way to partners, by service."""


_OF_CREDIT = {CreditKind.PROMO: LedgerAccount.PROMO, CreditKind.PREPAID: LedgerAccount.PREPAID}
_AGAINST = {CreditKind.PROMO: LedgerAccount.PROMOTIONS, CreditKind.PREPAID: LedgerAccount.FUNDS}

Amounts = dict[tuple[LedgerAccount, str], int]
"""By account and service. Units: minor units."""


PAYMENT: Final = "payment"
REFUND: Final = "refund"
CHARGEBACK: Final = "chargeback"


@dataclass(frozen=True, slots=True)
class Posting:
    """One business event. `key` names it for ever."""

    key: str
    kind: str
    account_id: UUID | None
    """The payer, if it concerns one."""
    currency: str
    at: datetime
    amounts: Amounts
    invoice_id: UUID | None = None
    id: UUID = field(default_factory=new_id)


def closing_key(account_id: UUID, currency: str, month: str) -> str:
    """The name of what closing a month posts."""
    return f"close {account_id} {currency} {month}"


def closing_amounts(found: Statement) -> Amounts:
    """What the close of a month moves: sales and tax against credits, what is carried, and what is to be collected."""
    amounts: Amounts = defaultdict(int)
    inclusive = found.net_minor + found.tax_minor == sum(line.net_minor for line in found.lines)
    for line in found.lines:
        tax = line.tax_minor if inclusive else 0
        amounts[LedgerAccount.SALES, line.price.service] -= line.minor - line.discount_minor - tax
    amounts[LedgerAccount.TAX, ""] -= found.tax_minor
    amounts[LedgerAccount.PROMO, ""] += sum(line.promo_minor for line in found.lines)
    amounts[LedgerAccount.PREPAID, ""] += found.prepaid_minor
    amounts[LedgerAccount.CARRIED, ""] -= found.carried_minor
    owed = LedgerAccount.RECEIVABLE if found.is_collected else LedgerAccount.CARRIED
    amounts[owed, ""] += found.due_minor
    return moved(amounts)


def credit_amounts(kind: CreditKind, minor: int) -> Amounts:
    """What granting a credit moves."""
    return {(_AGAINST[kind], ""): minor, (_OF_CREDIT[kind], ""): -minor}


def collected_amounts(paid: int, more: int, fee: int) -> Amounts:
    """What money that came in moves: what it pays, what is more than that and becomes a credit; a fee was kept of it."""
    amounts = {
        (LedgerAccount.CASH, ""): paid + more - fee,
        (LedgerAccount.FEES, ""): fee,
        (LedgerAccount.RECEIVABLE, ""): -paid,
        (LedgerAccount.PREPAID, ""): -more,
    }
    return moved(amounts)


def charged_back_amounts(held: int, lost: int, fee: int) -> Amounts:
    """What a bank's taking money back moves: of what an invoice had taken, of what was more than that, and what is kept for it."""
    amounts = {
        (LedgerAccount.CASH, ""): -held - lost - fee,
        (LedgerAccount.WITHHELD, ""): held,
        (LedgerAccount.LOSSES, ""): lost,
        (LedgerAccount.FEES, ""): fee,
    }
    return moved(amounts)


def credit_note_amounts(lines: Sequence[tuple[str, int, int]], given: int, refunded: int = 0) -> Amounts:
    """What a credit note moves, from service, net and tax of each line that it takes back.

    Of what exceeds the debt, `given` becomes a credit and `refunded` is paid back.
    """
    amounts: Amounts = defaultdict(int)
    for service, net_minor, tax_minor in lines:
        amounts[LedgerAccount.SALES, service] += net_minor
        amounts[LedgerAccount.TAX, ""] += tax_minor
        amounts[LedgerAccount.RECEIVABLE, ""] -= net_minor + tax_minor
    amounts[LedgerAccount.RECEIVABLE, ""] += given + refunded
    amounts[LedgerAccount.PREPAID, ""] -= given
    amounts[LedgerAccount.CASH, ""] -= refunded
    return moved(amounts)


def moved(amounts: Amounts) -> Amounts:
    """The same without what does not move."""
    return {key: minor for key, minor in amounts.items() if minor}


async def post(tx: Tx, postings: Sequence[Posting]) -> None:
    """Write events into the ledger; those that move nothing are left out.

    Raises: IntegrityError for a key that is there, when committing also for what does not balance.
    """
    real = [posting for posting in postings if posting.amounts]
    if not real:
        return
    columns = "id key kind account_id currency invoice_id at".split()
    await tx.execute(insert(LedgerTransaction), [{name: getattr(each, name) for name in columns} for each in real])
    entries = [
        {"transaction_id": posting.id, "ledger_account": account, "service": service, "minor": minor}
        for posting in real
        for (account, service), minor in posting.amounts.items()
    ]
    await tx.execute(insert(LedgerEntry), entries)


async def owed_on(tx: Tx, invoice_id: UUID) -> int:
    """What is still to be paid of an invoice. Units: minor units."""
    return await _on(tx, invoice_id, LedgerAccount.RECEIVABLE)


async def withheld_on(tx: Tx, invoice_id: UUID) -> int:
    """What banks have taken back of what was paid of an invoice, and have not decided about. Units: minor units."""
    return await _on(tx, invoice_id, LedgerAccount.WITHHELD)


async def is_withheld_from(tx: Tx, account_id: UUID) -> bool:
    """Whether a bank has yet to decide about a payment of this account."""
    sums = (
        select(func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.account_id == account_id, LedgerEntry.ledger_account == LedgerAccount.WITHHELD)
        .group_by(LedgerTransaction.currency)
        .having(func.sum(LedgerEntry.minor) != 0)
    )
    return (await tx.execute(sums.limit(1))).first() is not None


async def _on(tx: Tx, invoice_id: UUID, account: LedgerAccount) -> int:
    statement = (
        select(func.coalesce(func.sum(LedgerEntry.minor), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.invoice_id == invoice_id, LedgerEntry.ledger_account == account)
    )
    return int((await tx.execute(statement)).scalar_one())


async def collected_on(tx: Tx, invoice_id: UUID) -> int:
    """What of an invoice was paid with money, and neither paid back nor taken back by a bank. Units: minor units."""
    kind, account = LedgerTransaction.kind, LedgerEntry.ledger_account
    paid = and_(kind == PAYMENT, account == LedgerAccount.RECEIVABLE)
    taken = and_(kind == CHARGEBACK, account.in_((LedgerAccount.WITHHELD, LedgerAccount.RECEIVABLE)))
    back = and_(kind == REFUND, account == LedgerAccount.CASH)
    statement = (
        select(func.coalesce(func.sum(case((back, LedgerEntry.minor), else_=-LedgerEntry.minor)), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.invoice_id == invoice_id, or_(paid, taken, back))
    )
    return int((await tx.execute(statement)).scalar_one())
