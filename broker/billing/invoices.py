"""Bills as those see them who pay: the list, one of them with its lines, the explanation of a line. Also their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, update

from broker.billing.models import (
    INVOICE_TRANSITIONS,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    InvoiceState,
)
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.money import Money
from broker.notices.outbox import notify

_MOST_ISSUED: Final = 200


@dataclass(frozen=True, slots=True)
class LineView:
    """One line. Units: minor units; seconds."""

    id: UUID
    number: int
    addon_id: UUID
    addon: str
    app_id: UUID
    app: str
    service: str
    plan: str
    price: Mapping[str, Any]
    mode: str
    meter: str | None
    spans: Sequence[Sequence[str]]
    seconds: int
    quantity: str
    minor: int
    discount_minor: int
    promo_minor: int
    tax_minor: int
    share_bp: int
    explanation: Sequence[str]

    @property
    def net_minor(self) -> int:
        """What is left of it after discount and credit, with the tax that its price may contain."""
        return self.minor - self.discount_minor - self.promo_minor


@dataclass(frozen=True, slots=True)
class CreditNoteView:
    """What was taken back of an invoice. Units: minor units."""

    number: str
    reason: str
    net_minor: int
    tax_minor: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """A bill, without its lines. Units: minor units."""

    id: UUID
    account_id: UUID
    email: str
    currency: str
    month: str
    starts_at: datetime
    ends_at: datetime
    zone: str
    state: str
    number: str | None
    terms: Mapping[str, Any]
    net_minor: int
    tax_minor: int
    prepaid_minor: int
    carried_minor: int
    due_minor: int
    created_at: datetime
    finalized_at: datetime | None
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class Document:
    """A bill as it is printed: with what costs something, and with what was taken back."""

    invoice: InvoiceView
    lines: Sequence[LineView]
    credit_notes: Sequence[CreditNoteView]

    @property
    def is_inclusive(self) -> bool:
        """Whether the prices contain the tax."""
        tax = self.invoice.terms.get("tax")
        return bool(tax and tax["inclusive"])


INVOICE_COLUMNS: Final = [getattr(Invoice, name) for name in InvoiceView.__slots__]
LINE_COLUMNS: Final = [getattr(InvoiceLine, name) for name in LineView.__slots__]


def visible_invoices(actor: Actor) -> Select[Any]:
    """Bills of the actor's account; an operator's are still only its own, see `every_document`."""
    return select(*INVOICE_COLUMNS).where(Invoice.account_id == actor.id)


async def list_invoices(ctx: Context, actor: Actor) -> list[InvoiceView]:
    """Every closed month of the actor's account, the newest first: invoices and statements.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(visible_invoices(actor).order_by(Invoice.month.desc(), Invoice.currency))
        return [InvoiceView(*row) for row in rows]


async def get_document(ctx: Context, actor: Actor, key: str) -> Document:
    """A bill by its number or id.

    Raises: NotFound, also for what is somebody else's; Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _document(tx, visible_invoices(actor), key)


async def any_document(tx: Tx, key: str) -> Document:
    """A bill of whatever account, for operators: ask who it is before."""
    return await _document(tx, select(*INVOICE_COLUMNS), key)


async def every_document(ctx: Context, actor: Actor, key: str) -> Document:
    """A bill of whatever account, by its number or id: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await any_document(tx, key)


async def _document(tx: Tx, among: Select[Any], key: str) -> Document:
    invoice_id = as_uuid(key)
    which = Invoice.number == key if invoice_id is None else Invoice.id == invoice_id
    row = (await tx.execute(among.where(which))).one_or_none()
    if row is None:
        raise NotFound("invoice")
    invoice = InvoiceView(*row)
    of_it = select(*LINE_COLUMNS).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.number)
    lines = [LineView(*line) for line in await tx.execute(of_it)]
    if invoice.number is not None:  # what costs nothing is on the statement alone
        lines = [line for line in lines if line.minor]
    noted = [getattr(CreditNote, name) for name in CreditNoteView.__slots__]
    notes = select(*noted).where(CreditNote.invoice_id == invoice.id).order_by(CreditNote.number)
    return Document(invoice, lines, [CreditNoteView(*note) for note in await tx.execute(notes)])


async def get_line(ctx: Context, actor: Actor, key: str, number: int) -> tuple[Document, LineView]:
    """A bill and one line of it, with its explanation.

    Raises: NotFound, Forbidden.
    """
    document = await get_document(ctx, actor, key)
    line = next((line for line in document.lines if line.number == number), None)
    if line is None:
        raise NotFound("invoice_line")
    return document, line


async def credited(tx: Tx, invoice_id: UUID) -> dict[UUID, tuple[int, int]]:
    """How much net and tax of each line was taken back."""
    statement = (
        select(CreditNoteLine.line_id, func.sum(CreditNoteLine.net_minor), func.sum(CreditNoteLine.tax_minor))
        .join(CreditNote, CreditNote.id == CreditNoteLine.credit_note_id)
        .where(CreditNote.invoice_id == invoice_id)
        .group_by(CreditNoteLine.line_id)
    )
    return {line_id: (int(net), int(tax)) for line_id, net, tax in await tx.execute(statement)}


async def move_invoice(tx: Tx, invoice_id: UUID, to: InvoiceState, at: datetime) -> bool:
    """Let an invoice go on to a state, if it is in one from which that is legal; whether it was."""
    legal = [state for state, following in INVOICE_TRANSITIONS.items() if to in following]
    values: dict[str, Any] = {"state": to, "updated_at": at}
    if to is InvoiceState.ISSUED:
        values["issued_at"] = at
    moved = update(Invoice).where(Invoice.id == invoice_id, Invoice.state.in_(legal)).values(values)
    return (await tx.execute(moved)).rowcount == 1


async def issue_finalized(ctx: Context, most: int = _MOST_ISSUED) -> int:
    """Hand out what was finalized: from now on it is to be paid. Part of the sweep; how many those were.

    Transactions: one.
    """
    waiting = (
        select(Invoice.id, Invoice.account_id, Invoice.number, Invoice.month, Invoice.due_minor, Invoice.currency)
        .where(Invoice.state == InvoiceState.FINALIZED)
        .order_by(Invoice.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(waiting)).all()
        for row in rows:
            await move_invoice(tx, row.id, InvoiceState.ISSUED, now)
            due = str(Money(row.due_minor, row.currency))
            told = {"invoice_id": str(row.id), "account_id": str(row.account_id), "number": row.number, "due": due}
            await emit(tx, "invoice.issued", SYSTEM, now, **told)
            facts = {"number": row.number, "month": row.month, "due": due}
            await notify(tx, row.account_id, "invoice.issued", facts, now, key=f"invoice.issued:{row.id}")
    return len(rows)
