"""Taking back what an invoice asked for, by a document of its own: the invoice itself is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from broker.billing.invoices import CreditNoteView, Document, LineView, any_document, credited, move_invoice
from broker.billing.ledger import Posting, credit_note_amounts, owed_on, post
from broker.billing.models import CreditGrant, CreditNote, CreditNoteLine, Invoice, InvoiceState
from broker.billing.numbers import Series, take_numbers
from broker.billing.pricing import CreditKind
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
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
class _Part:
    line: LineView
    net_minor: int
    tax_minor: int


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
        document = await _locked(tx, key)
        found = await _parts(tx, document, parts)
        (number,) = await take_numbers(tx, Series.CREDIT_NOTE, 1, now)
        view = CreditNoteView(number, reason, sum(p.net_minor for p in found), sum(p.tax_minor for p in found), now)
        await _store(tx, document, note_id, view, found, actor)
        owed, back = await owed_on(tx, document.invoice.id), view.net_minor + view.tax_minor
        given = max(back - max(owed, 0), 0)
        if given:
            await _give(tx, document, view, given, actor)
        await post(tx, [_posting(document, note_id, found, given, now)])
        if owed > 0 and owed <= back:
            await move_invoice(tx, document.invoice.id, InvoiceState.VOID, now)
        amount = str(Money(back, document.invoice.currency))
        told: dict[str, Any] = {"account_id": str(document.invoice.account_id), "amount": amount, "number": number}
        await emit(tx, "invoice.credited", actor, now, **told, invoice=document.invoice.number, reason=reason)
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


async def _locked(tx: Tx, key: str) -> Document:
    document = await any_document(tx, key)
    lock = select(Invoice.state).where(Invoice.id == document.invoice.id).with_for_update()
    if (await tx.execute(lock)).scalar_one() not in _REACHED:
        raise Conflict("Only what was issued as an invoice, and is not void, can be taken back.")
    return document


async def _parts(tx: Tx, document: Document, wanted: Sequence[TakenBack]) -> list[_Part]:
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


def _part(document: Document, line: LineView, net_minor: int | None, before: tuple[int, int]) -> _Part:
    """The tax goes back in proportion; by the running total, so that the parts never exceed the whole."""
    whole = line.net_minor - (line.tax_minor if document.is_inclusive else 0)
    left = whole - before[0]
    net = left if net_minor is None else net_minor
    if not 0 <= net <= left:
        most = Money(left, document.invoice.currency)
        raise InvalidParams(f"lines: at most {most} of line {line.number} is left to be taken back.")
    tax = quotient(line.tax_minor * (before[0] + net), whole) - before[1] if whole else line.tax_minor - before[1]
    return _Part(line, net, tax)


async def _store(
    tx: Tx, document: Document, note_id: UUID, view: CreditNoteView, parts: Sequence[_Part], actor: Actor
) -> None:
    row = {name: getattr(view, name) for name in CreditNoteView.__slots__}
    row |= {"id": note_id, "invoice_id": document.invoice.id, "actor_id": actor.id, "actor_email": actor.email}
    await tx.execute(insert(CreditNote).values(row))
    rows = [
        {"credit_note_id": note_id, "line_id": p.line.id, "net_minor": p.net_minor, "tax_minor": p.tax_minor}
        for p in parts
    ]
    await tx.execute(insert(CreditNoteLine), rows)


async def _give(tx: Tx, document: Document, view: CreditNoteView, minor: int, actor: Actor) -> None:
    """What had been paid by then, or by a credit, becomes a prepaid credit."""
    invoice = document.invoice
    row = {"id": new_id(), "account_id": invoice.account_id, "currency": invoice.currency, "minor": minor}
    row |= {"kind": CreditKind.PREPAID, "reason": f"credit note {view.number}", "granted_at": view.created_at}
    await tx.execute(insert(CreditGrant).values(row | {"actor_id": actor.id, "actor_email": actor.email}))


def _posting(document: Document, note_id: UUID, parts: Sequence[_Part], given: int, now: datetime) -> Posting:
    invoice = document.invoice
    lines = [(part.line.service, part.net_minor, part.tax_minor) for part in parts]
    amounts = credit_note_amounts(lines, given)
    key = f"credit note {note_id}"
    return Posting(key, "credit_note", invoice.account_id, invoice.currency, now, amounts, invoice.id)
