"""Money that came in for an invoice, and money that was paid back. Called with the open transaction; never commits.

Each event has a key that names it for ever: told again, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from broker.billing.accrue_shares import Accrued, Settled, accrued, collected_of, record
from broker.billing.credit_notes import Part, TakenBack, Taking, left_of, locked_document, parts_of, take_back
from broker.billing.invoices import CreditNoteView, Document, credited, move_invoice
from broker.billing.ledger import (
    PAYMENT,
    REFUND,
    Posting,
    charged_back_amounts,
    collected_amounts,
    collected_on,
    owed_on,
    post,
    withheld_on,
)
from broker.billing.models import CreditGrant, CreditNote, Invoice, InvoiceState, LedgerTransaction
from broker.billing.pricing import CreditKind
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.money import Money, quotient, share_out

_HANDED_OUT = frozenset(InvoiceState) - {
    InvoiceState.OPEN,
    InvoiceState.DRAFT,
    InvoiceState.STATEMENT,
    InvoiceState.FINALIZED,
}


async def record_collected(tx: Tx, invoice_id: UUID, minor: int, key: str, at: datetime, *, fee_minor: int = 0) -> int:
    """Money came in for an invoice; what is still owed of it then. What is too much becomes a prepaid credit.

    `fee_minor` of it was kept by whoever collected it, at the platform's cost. Partners' shares accrue with it.

    Units: minor units of the invoice's currency.
    Raises: NotFound; InvalidParams; Conflict for what was not issued, or a key of something else.
    """
    bill = await locked_bill(tx, invoice_id)
    owed = max(await owed_on(tx, invoice_id), 0)
    if await is_known(tx, key, invoice_id):
        return owed
    if minor <= 0 or not 0 <= fee_minor <= minor:
        raise InvalidParams("amount_minor: must be a positive number of minor units, and no less than the fee.")
    paid = min(minor, owed)
    found = await shares_of(tx, bill, owed - paid)
    amounts = collected_amounts(paid, minor - paid, fee_minor) | found.amounts
    posting = Posting(key, PAYMENT, bill.account_id, bill.currency, at, amounts, invoice_id)
    await post(tx, [posting])
    await record(tx, posting, found)
    if minor > paid:
        more = Money(minor - paid, bill.currency)
        await _give(tx, bill.account_id, more, f"more than {bill.number} asked for", at, SYSTEM)
    if paid and paid == owed:
        await paid_in_full(tx, bill, at)
    return owed - paid


async def record_refunded(
    tx: Tx,
    invoice_id: UUID,
    lines: Mapping[UUID, int] | None,
    minor: int,
    key: str,
    at: datetime,
    *,
    actor: Actor = SYSTEM,
    reason: str = "refund",
) -> CreditNoteView:
    """Money went back for an invoice: a credit note says for what, and partners give back their shares of it.

    `lines` says how much of which lines is taken back, net; their tax goes with it, and what that exceeds `minor` by becomes
    a prepaid credit. Without, all lines give their part of `minor`.

    Units: minor units.
    Raises: NotFound; InvalidParams; Conflict for more than was paid with money, or than is left of the lines.
    """
    await locked_bill(tx, invoice_id)
    if await is_known(tx, key, invoice_id):
        return await _refund_known(tx, key)
    document = await locked_document(tx, str(invoice_id))
    paid = await collected_on(tx, invoice_id)
    if not 0 < minor <= paid:
        most = Money(paid, document.invoice.currency)
        raise Conflict(
            f"Of {document.invoice.number}, {most} was paid with money and not paid back: refund up to that."
        )
    parts = await _parts(tx, document, lines) if lines else await _every_part(tx, document, minor)
    return await take_back(tx, document, parts, Taking(new_id(), key, reason, actor, at, minor))


async def _parts(tx: Tx, document: Document, lines: Mapping[UUID, int]) -> Sequence[Part]:
    numbers = {line.id: line.number for line in document.lines}
    if not set(lines) <= set(numbers):
        raise InvalidParams(f"lines: {document.invoice.number} has no such line.")
    return await parts_of(tx, document, [TakenBack(numbers[line], net) for line, net in lines.items()])


async def _every_part(tx: Tx, document: Document, minor: int) -> Sequence[Part]:
    before = await credited(tx, document.invoice.id)
    left = [left_of(document, line, before.get(line.id, (0, 0))) for line in document.lines]
    if minor > sum(map(sum, left)):
        raise Conflict(f"Less than that is left of the lines of {document.invoice.number}.")
    parts = []
    for line, (net, tax), part in zip(
        document.lines, left, share_out(minor, [sum(each) for each in left]), strict=True
    ):
        if part:
            with_it = quotient(tax * part, net + tax)
            parts.append(Part(line, part - with_it, with_it))
    return parts


async def _refund_known(tx: Tx, key: str) -> CreditNoteView:
    columns = [getattr(CreditNote, name) for name in CreditNoteView.__slots__]
    wanted = select(*columns).join(LedgerTransaction, LedgerTransaction.id == CreditNote.id)
    row = (await tx.execute(wanted.where(LedgerTransaction.key == key))).one_or_none()
    if row is None:
        raise Conflict(f"The key {key!r} names another event of the ledger.")
    return CreditNoteView(*row)


async def locked_bill(tx: Tx, invoice_id: UUID) -> Any:
    """The invoice, of which nothing else can be settled until this transaction ends.

    Raises: NotFound; Conflict for what was not issued.
    """
    bill = (await tx.execute(select(Invoice.__table__).where(Invoice.id == invoice_id).with_for_update())).one_or_none()
    if bill is None:
        raise NotFound("invoice")
    if bill.state not in _HANDED_OUT:
        raise Conflict("This month's bill was not issued as an invoice: there is nothing to pay.")
    return bill


async def is_known(tx: Tx, key: str, invoice_id: UUID) -> bool:
    """Whether this event of an invoice that is locked was recorded before.

    Raises: Conflict if the key names something else.
    """
    wanted = select(LedgerTransaction.invoice_id).where(LedgerTransaction.key == key)
    row = (await tx.execute(wanted)).one_or_none()
    if row is not None and row.invoice_id != invoice_id:
        raise Conflict(f"The key {key!r} names another event of the ledger.")
    return row is not None


async def shares_of(tx: Tx, bill: Any, owed_minor: int) -> Accrued:
    """What the partners get once the invoice owes no more than this. What a bank has taken back is nobody's for the time being."""
    missing = owed_minor + await withheld_on(tx, bill.id)
    settled = Settled(bill.id, bill.account_id, bill.currency, bill.month, bill.carried_minor, missing)
    return (await accrued(tx, [settled]))[bill.id]


async def in_lines(tx: Tx, bill: Any) -> int:
    """What lines of the invoice hold of what was paid: what credit notes took back of them is a credit by now."""
    return await collected_of(
        tx, Settled(bill.id, bill.account_id, bill.currency, bill.month, bill.carried_minor, owed_minor=0)
    )


async def paid_in_full(tx: Tx, bill: Any, at: datetime) -> None:
    """Let an invoice be paid, and tell it once."""
    if await move_invoice(tx, bill.id, InvoiceState.PAID, at):
        told = {"invoice_id": str(bill.id), "account_id": str(bill.account_id), "number": bill.number}
        await emit(tx, "invoice.paid", SYSTEM, at, **told, due=str(Money(bill.due_minor, bill.currency)))


async def record_unassigned(
    tx: Tx, account_id: UUID, money: Money, key: str, reason: str, at: datetime, actor: Actor
) -> None:
    """Money came in that pays no invoice: it becomes a prepaid credit. For a key that is new.

    Raises: IntegrityError for a key that is there.
    """
    amounts = collected_amounts(0, money.minor, 0)
    await post(tx, [Posting(key, PAYMENT, account_id, money.currency, at, amounts)])
    await _give(tx, account_id, money, reason, at, actor)


async def record_written_off(tx: Tx, account_id: UUID, money: Money, key: str, at: datetime) -> None:
    """Money went back that was no invoice's, at the platform's cost; or, below zero, came again. For a key that is new.

    Raises: IntegrityError for a key that is there.
    """
    lost = charged_back_amounts(0, money.minor, 0)
    await post(tx, [Posting(key, REFUND, account_id, money.currency, at, lost)])


async def _give(tx: Tx, account_id: UUID, money: Money, reason: str, at: datetime, actor: Actor) -> None:
    row = {"id": new_id(), "account_id": account_id, "currency": money.currency, "minor": money.minor}
    row |= {"kind": CreditKind.PREPAID, "reason": reason, "granted_at": at}
    await tx.execute(insert(CreditGrant).values(row | {"actor_id": actor.id, "actor_email": actor.email}))
