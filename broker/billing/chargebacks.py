"""Money that a bank takes back because the owner of a card says so: in the ledger until it is decided, and afterwards.

Called with the open transaction; never commits. Each event has a key of its own: told again, it changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from broker.billing.accrue_shares import record
from broker.billing.collect import in_lines, is_known, locked_bill, record_collected, shares_of
from broker.billing.invoices import move_invoice
from broker.billing.ledger import (
    CHARGEBACK,
    Amounts,
    LedgerAccount,
    Posting,
    charged_back_amounts,
    collected_on,
    moved,
    owed_on,
    post,
)
from broker.billing.models import InvoiceState, LedgerEntry, LedgerTransaction
from broker.kernel.db import Tx

_WON: Final = "won"
_LOST: Final = "lost"
_NOTHING: Final[Amounts] = {(LedgerAccount.LOSSES, ""): 0, (LedgerAccount.CASH, ""): 0}
"""What is posted of an event that moves nothing: its name says that it happened."""


async def record_charged_back(
    tx: Tx, invoice_id: UUID, minor: int, key: str, at: datetime, fee_minor: int, most_minor: int
) -> bool:
    """A bank took money back that had come for an invoice; whether that is new. Partners' shares of it go, too.

    It is withheld: the invoice is not owed again until the bank has decided. What exceeds `most_minor`, which the invoice has
    of the payment, or what its lines hold, is a credit by now, and lost. Units: minor units.
    Raises: NotFound; Conflict for what was not issued.
    """
    bill = await locked_bill(tx, invoice_id)
    if await is_known(tx, key, invoice_id):
        return False
    held = max(min(minor, most_minor, await collected_on(tx, invoice_id), await in_lines(tx, bill)), 0)
    found = await shares_of(tx, bill, max(await owed_on(tx, invoice_id), 0) + held)
    amounts = charged_back_amounts(held, minor - held, fee_minor) | found.amounts
    posting = Posting(key, CHARGEBACK, bill.account_id, bill.currency, at, amounts, invoice_id)
    await post(tx, [posting])
    await record(tx, posting, found)
    return True


async def record_won(tx: Tx, invoice_id: UUID, key: str, at: datetime, fee_minor: int) -> bool:
    """The bank gave back what it had taken under this key; whether that is new. Shares of it are the partners' again.

    `fee_minor` is what the gateway keeps for it by now. Transactions: as above.
    """
    bill = await locked_bill(tx, invoice_id)
    if await is_known(tx, f"{key} {_WON}", invoice_id):
        return False
    taken = await _posted(tx, key)
    if await is_known(tx, f"{key} {_LOST}", invoice_id):
        await _back_after_all(tx, bill, taken, f"{key} {_WON}", at)
        return True
    held, lost = taken.get((LedgerAccount.WITHHELD, ""), 0), taken.get((LedgerAccount.LOSSES, ""), 0)
    found = await shares_of(tx, bill, max(await owed_on(tx, invoice_id), 0) - held)
    amounts = charged_back_amounts(-held, -lost, fee_minor - taken.get((LedgerAccount.FEES, ""), 0)) | found.amounts
    posting = Posting(f"{key} {_WON}", CHARGEBACK, bill.account_id, bill.currency, at, amounts, invoice_id)
    await post(tx, [posting])
    await record(tx, posting, found)
    return True


async def _back_after_all(tx: Tx, bill: Any, taken: Amounts, key: str, at: datetime) -> None:
    """What was lost, and owed again, pays what is still owed; the rest of it becomes a credit."""
    held, lost = taken.get((LedgerAccount.WITHHELD, ""), 0), taken.get((LedgerAccount.LOSSES, ""), 0)
    if held:
        await record_collected(tx, bill.id, held, key, at)
    found = charged_back_amounts(0, -lost, 0)
    more = f"{key} more" if held else key
    await post(tx, [Posting(more, CHARGEBACK, bill.account_id, bill.currency, at, found, bill.id)])


async def record_lost(tx: Tx, invoice_id: UUID, key: str, at: datetime, fee_minor: int) -> int | None:
    """The bank keeps what it had taken under this key; how much the invoice owes again, None if that was known.

    Transactions: as above.
    """
    bill = await locked_bill(tx, invoice_id)
    if await is_known(tx, f"{key} {_LOST}", invoice_id):
        return None
    taken = await _posted(tx, key)
    if await is_known(tx, f"{key} {_WON}", invoice_id):
        return await _gone_after_all(tx, bill, taken, f"{key} {_LOST}", at)
    held, fee = taken.get((LedgerAccount.WITHHELD, ""), 0), fee_minor - taken.get((LedgerAccount.FEES, ""), 0)
    amounts: Amounts = moved(
        {
            (LedgerAccount.WITHHELD, ""): -held,
            (LedgerAccount.RECEIVABLE, ""): held,
            (LedgerAccount.FEES, ""): fee,
            (LedgerAccount.CASH, ""): -fee,
        }
    )
    lost = Posting(f"{key} {_LOST}", CHARGEBACK, bill.account_id, bill.currency, at, amounts or _NOTHING, invoice_id)
    await post(tx, [lost])
    if held:
        await move_invoice(tx, invoice_id, InvoiceState.PAST_DUE, at)
    return held


async def _gone_after_all(tx: Tx, bill: Any, taken: Amounts, key: str, at: datetime) -> int:
    """What was won is taken again, for good: as far as the invoice has it still, it is owed again; how much that is."""
    minor = taken.get((LedgerAccount.WITHHELD, ""), 0)
    held = max(min(minor, await collected_on(tx, bill.id), await in_lines(tx, bill)), 0)
    found = await shares_of(tx, bill, max(await owed_on(tx, bill.id), 0) + held)
    lost = minor - held + taken.get((LedgerAccount.LOSSES, ""), 0)
    amounts = charged_back_amounts(0, held + lost, 0) | found.amounts
    if held:
        amounts |= {(LedgerAccount.LOSSES, ""): lost, (LedgerAccount.RECEIVABLE, ""): held}
    posting = Posting(key, CHARGEBACK, bill.account_id, bill.currency, at, moved(amounts), bill.id)
    await post(tx, [posting])
    await record(tx, posting, found)
    if held:
        await move_invoice(tx, bill.id, InvoiceState.PAST_DUE, at)
    return held


async def fee_for(tx: Tx, key: str) -> int:
    """What the gateway has kept for a chargeback by now. Units: minor units."""
    return (await _posted(tx, key)).get((LedgerAccount.FEES, ""), 0)


async def taken_on(tx: Tx, invoice_id: UUID, begins: str) -> int:
    """What banks took back, and did not give back, under keys that begin so: of what the invoice had taken."""
    named = LedgerTransaction.key.startswith(begins, autoescape=True)
    held = or_(_is(LedgerAccount.WITHHELD), _is(LedgerAccount.RECEIVABLE))
    return await _sum(tx, LedgerTransaction.invoice_id == invoice_id, named, held)


async def lost_on(tx: Tx, invoice_id: UUID) -> int:
    """What is owed again of an invoice because a bank took it back for good. Units: minor units."""
    return await _sum(tx, LedgerTransaction.invoice_id == invoice_id, _is(LedgerAccount.RECEIVABLE))


def _is(account: LedgerAccount) -> ColumnElement[bool]:
    return LedgerEntry.ledger_account == account


async def _sum(tx: Tx, *which: ColumnElement[bool]) -> int:
    statement = (
        select(func.coalesce(func.sum(LedgerEntry.minor), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.kind == CHARGEBACK, *which)
    )
    return int((await tx.execute(statement)).scalar_one())


async def _posted(tx: Tx, key: str) -> Amounts:
    statement = (
        select(LedgerEntry.ledger_account, LedgerEntry.service, LedgerEntry.minor)
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.key == key)
    )
    return {(LedgerAccount(account), service): int(minor) for account, service, minor in await tx.execute(statement)}
