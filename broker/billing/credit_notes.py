"""Taking back what an invoice asked for, by a document of its own: the invoice itself is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from broker.billing.accrue_shares import Settled, accrued, record
from broker.billing.invoices import CreditNoteView, Document, LineView, any_document, credited, move_invoice
from broker.billing.ledger import REFUND, Posting, collected_on, credit_note_amounts, owed_on, post, withheld_on
from broker.billing.models import CreditGrant, CreditNote, CreditNoteLine, Invoice, InvoiceState
from broker.billing.numbers import Series, take_numbers
from broker.billing.pricing import CreditKind
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.money import Money, quotient

_REACHED = (InvoiceState.ISSUED, InvoiceState.PAST_DUE, InvoiceState.PAID, InvoiceState.UNCOLLECTIBLE)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What of a line is taken back. Units: minor units, net; None: all that is left of it."""

    line: int
    net_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What of a line is taken back. Units: minor units."""

    line: LineView
    net_minor: int
    tax_minor: int


@run_again
async def write_credit_note(
    ctx: Context,
    actor: Actor,
    key: str,
    reason: str,
    parts: Sequence[TakenBack] = (),
    note_id: UUID | None = None,
) -> CreditNoteView:
    """Take back lines of an invoice with their tax, or all of it if no line is named: operators only.

    It lowers what is still to be paid; what exceeds that becomes a prepaid credit.

    Raises: NotFound, also for everybody but operators; Conflict for what is no issued invoice or has nothing left;
        InvalidParams.
    """
    actor.require_operator()
    now, note_id = ctx.clock.now(), note_id or new_id()
    async with ctx.database.transaction() as tx:
        document = await locked_document(tx, key)
        taking = Taking(note_id, f"credit note {note_id}", reason, actor, now)
        return await take_back(tx, document, await parts_of(tx, document, parts), taking)


@dataclass(frozen=True, slots=True)
class Taking:
    """A credit note that is to be written: by what name, why, by whom, and how much of it is paid back as money."""

    id: UUID
    key: str
    reason: str
    actor: Actor
    at: datetime
    refunded_minor: int = 0


async def take_back(tx: Tx, document: Document, parts: Sequence[Part], taking: Taking) -> CreditNoteView:
    """Take back these parts of an invoice that is locked, and from the partners their shares of them.

    Raises: Conflict for parts that come to less than what is paid back.
    """
    invoice, now = document.invoice, taking.at
    (number,) = await take_numbers(tx, Series.CREDIT_NOTE, 1, now)
    net, tax = sum(part.net_minor for part in parts), sum(part.tax_minor for part in parts)
    view = CreditNoteView(number, taking.reason, net, tax, now)
    await _store(tx, document, taking, view, parts)
    owed, withheld, back = max(await owed_on(tx, invoice.id), 0), await withheld_on(tx, invoice.id), net + tax
    if back < taking.refunded_minor:
        raise Conflict(f"These lines of {invoice.number} come to less than what is to be paid back.")
    # What is paid back had been paid: what is owed stays owed.
    lowered = min(back - taking.refunded_minor, owed)
    given = back - taking.refunded_minor - lowered
    if withheld and given:
        raise Conflict(f"A bank has taken back a payment of {invoice.number}: wait until it is decided.")
    if given:
        await _give(tx, document, view, given, taking.actor)
    await _post(tx, document, parts, taking, given, owed - lowered + withheld)
    if 0 < owed == lowered:
        paid = await collected_on(tx, invoice.id)
        await move_invoice(tx, invoice.id, InvoiceState.PAID if paid or withheld else InvoiceState.VOID, now)
    told: dict[str, Any] = {"account_id": str(invoice.account_id), "amount": str(Money(back, invoice.currency))}
    await emit(
        tx, "invoice.credited", taking.actor, now, **told, number=number, invoice=invoice.number, reason=view.reason
    )
    return view


async def get_credit_note(ctx: Context, actor: Actor, note_id: UUID) -> CreditNoteView:
    """A credit note of whatever account: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    columns = [getattr(CreditNote, name) for name in CreditNoteView.__slots__]
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(*columns).where(CreditNote.id == note_id))).one_or_none()
    if row is None:
        raise NotFound("credit_note")
    return CreditNoteView(*row)


async def locked_document(tx: Tx, key: str) -> Document:
    """An issued invoice, of which nothing else can be settled until this transaction ends.

    Raises: NotFound; Conflict.
    """
    document = await any_document(tx, key)
    lock = select(Invoice.state).where(Invoice.id == document.invoice.id).with_for_update()
    if (await tx.execute(lock)).scalar_one() not in _REACHED:
        raise Conflict("Only what was issued as an invoice, and is not void, can be taken back.")
    return document


async def parts_of(tx: Tx, document: Document, wanted: Sequence[TakenBack]) -> list[Part]:
    """The lines that are named with their tax, or all that is left of every line if none is.

    Raises: InvalidParams; Conflict if there is nothing left.
    """
    before = await credited(tx, document.invoice.id)
    lines = {line.number: line for line in document.lines}
    if len({part.line for part in wanted}) != len(wanted):
        raise InvalidParams("lines: each line may be named once.")
    found = []
    for part in wanted or [TakenBack(number) for number in lines]:
        if part.line not in lines:
            raise InvalidParams(f"lines: invoice {document.invoice.number} has no line {part.line}.")
        taken = _part(document, lines[part.line], part.net_minor, before.get(lines[part.line].id, (0, 0)))
        if taken.net_minor or taken.tax_minor:
            found.append(taken)
    if not found:
        raise Conflict("There is nothing left of it to take back.")
    return found


def _part(document: Document, line: LineView, net_minor: int | None, before: tuple[int, int]) -> Part:
    """The tax goes back in proportion to what is left, so that the parts sum to the whole."""
    left, left_tax = left_of(document, line, before)
    net = left if net_minor is None else net_minor
    if not 0 <= net <= left:
        most = Money(left, document.invoice.currency)
        raise InvalidParams(f"lines: at most {most} of line {line.number} is left to be taken back.")
    return Part(line, net, quotient(left_tax * net, left) if left else left_tax)


def left_of(document: Document, line: LineView, before: tuple[int, int]) -> tuple[int, int]:
    """Net and tax of a line that were not taken back before."""
    return line.net_minor - (line.tax_minor if document.is_inclusive else 0) - before[0], line.tax_minor - before[1]


async def _store(tx: Tx, document: Document, taking: Taking, view: CreditNoteView, parts: Sequence[Part]) -> None:
    row = {name: getattr(view, name) for name in CreditNoteView.__slots__}
    row |= {"id": taking.id, "invoice_id": document.invoice.id}
    row |= {"actor_id": taking.actor.id, "actor_email": taking.actor.email}
    await tx.execute(insert(CreditNote).values(row))
    rows = [
        {"credit_note_id": taking.id, "line_id": p.line.id, "net_minor": p.net_minor, "tax_minor": p.tax_minor}
        for p in parts
    ]
    await tx.execute(insert(CreditNoteLine), rows)


async def _give(tx: Tx, document: Document, view: CreditNoteView, minor: int, actor: Actor) -> None:
    """What had been paid by then, or by a credit, becomes a prepaid credit."""
    invoice = document.invoice
    row = {"id": new_id(), "account_id": invoice.account_id, "currency": invoice.currency, "minor": minor}
    row |= {"kind": CreditKind.PREPAID, "reason": f"credit note {view.number}", "granted_at": view.created_at}
    await tx.execute(insert(CreditGrant).values(row | {"actor_id": actor.id, "actor_email": actor.email}))


async def _post(tx: Tx, document: Document, parts: Sequence[Part], taking: Taking, given: int, owed_then: int) -> None:
    invoice, refunded = document.invoice, taking.refunded_minor
    lines = [(part.line.service, part.net_minor, part.tax_minor) for part in parts]
    settled = Settled(invoice.id, invoice.account_id, invoice.currency, invoice.month, invoice.carried_minor, owed_then)
    found = (await accrued(tx, [settled]))[invoice.id]
    amounts = credit_note_amounts(lines, given, refunded) | found.amounts
    kind = REFUND if refunded else "credit_note"
    posting = Posting(taking.key, kind, invoice.account_id, invoice.currency, taking.at, amounts, invoice.id, taking.id)
    await post(tx, [posting])
    await record(tx, posting, found)
