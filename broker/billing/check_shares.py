"""Proving what was collected and whose it is: a part of the check of the books. Reads only; differences are sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, case, func, or_, select

from broker.billing.accrue_shares import lines_of, recorded_of
from broker.billing.ledger import LedgerAccount
from broker.billing.models import Invoice, InvoiceLine, InvoiceState, LedgerEntry, LedgerTransaction
from broker.billing.share_models import PartnerShare
from broker.billing.shares import Share, share_of
from broker.kernel.db import Tx

_MOST: Final = 100


async def unlike_their_lines(tx: Tx, bills: Sequence[UUID]) -> list[str]:
    """Shares that are not what follows from the line, its credit notes, the agreement and what was collected."""
    before = await recorded_of(tx, bills)
    found = []
    for lines in (await lines_of(tx, bills)).values():
        for line in lines:
            recorded = before.get(line.id, Share())
            if not 0 <= recorded.minor <= line.left_minor:
                found.append(f"line {line.id}: {recorded.minor} is collected of {line.left_minor}.")
            elif line.id in before and (right := share_of(line, recorded.minor)) != recorded:
                found.append(f"line {line.id}: its shares are {recorded}, and from the history {right}.")
    return found


async def check_collected(tx: Tx) -> list[str]:
    """What must hold of all money that came in together."""
    return [*await _still_owed(tx), *await _unlike_the_ledger(tx), *await _not_all_shared(tx)]


async def _still_owed(tx: Tx) -> list[str]:
    """Invoices that are paid or void and still owe something, or that owe nothing and are not."""
    owed = func.sum(LedgerEntry.minor)
    sums = (
        select(Invoice.number, Invoice.state, owed)
        .join(LedgerTransaction, LedgerTransaction.invoice_id == Invoice.id)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(Invoice.number.is_not(None), LedgerEntry.ledger_account == LedgerAccount.RECEIVABLE)
        .group_by(Invoice.id)
    )
    settled = Invoice.state.in_((InvoiceState.PAID, InvoiceState.VOID))
    wrong = sums.having(or_(and_(settled, owed != 0), and_(~settled, owed <= 0), owed < 0)).limit(_MOST)
    return [f"{number} is {state}, and {minor} of it is owed." for number, state, minor in await tx.execute(wrong)]


async def _unlike_the_ledger(tx: Tx) -> list[str]:
    """Shares by line beside what the ledger says that partners got."""
    recorded = select(PartnerShare.service, PartnerShare.currency, func.sum(PartnerShare.share_minor))
    rows = await tx.execute(recorded.group_by(PartnerShare.service, PartnerShare.currency))
    expected = {(service, currency): int(minor) for service, currency, minor in rows}
    posted = {
        (service, currency): int(minor)
        for service, currency, minor in await tx.execute(
            _balances(LedgerEntry.service, LedgerEntry.minor).where(LedgerEntry.ledger_account == LedgerAccount.SHARES)
        )
    }
    return [
        f"{service} in {currency}: the ledger has shares of {posted.get((service, currency), 0)}, the lines sum to"
        f" {expected.get((service, currency), 0)}."
        for service, currency in sorted(expected.keys() | posted.keys())
        if expected.get((service, currency), 0) != posted.get((service, currency), 0)
    ]


async def _not_all_shared(tx: Tx) -> list[str]:
    """Gross = partners + platform + tax + fees: what was sold and is owed no longer is collected, line by line."""
    promo = (
        select(Invoice.currency, func.sum(InvoiceLine.promo_minor))
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .group_by(Invoice.currency)
    )
    given = {currency: int(minor) for currency, minor in await tx.execute(promo)}
    account, minor = LedgerEntry.ledger_account, LedgerEntry.minor
    settled = (
        LedgerAccount.SALES, LedgerAccount.TAX, LedgerAccount.RECEIVABLE, LedgerAccount.CARRIED, LedgerAccount.WITHHELD,
    )  # fmt: skip
    sums = _balances(case((account.in_(settled), -minor), else_=0))
    sold = {currency: int(total) - given.get(currency, 0) for currency, total in await tx.execute(sums)}
    lines = select(PartnerShare.currency, func.sum(PartnerShare.minor)).group_by(PartnerShare.currency)
    collected = {currency: int(total) for currency, total in await tx.execute(lines)}
    return [
        f"{currency}: {sold.get(currency, 0)} is settled by the ledger, and {collected.get(currency, 0)} by its lines."
        for currency in sorted(sold.keys() | collected.keys())
        if sold.get(currency, 0) != collected.get(currency, 0)
    ]


def _balances(*columns: Any) -> Select[Any]:
    """Sums of the last column by currency, and by the columns before it."""
    *keys, minor = columns
    return (
        select(*keys, LedgerTransaction.currency, func.sum(minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .group_by(*keys, LedgerTransaction.currency)
    )
