"""What operators do with an invoice that somebody says is wrong: leave it, or a line of it, uncollected until it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from broker.billing.ledger import owed_on
from broker.billing.models import Invoice, InvoiceLine, InvoiceState
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.payments.delinquency import look_again
from broker.payments.disputed import disputed_on
from broker.payments.dunning_models import InvoiceDispute

_LONGEST_REASON = 500
_COLLECTABLE = (InvoiceState.ISSUED, InvoiceState.PAST_DUE, InvoiceState.UNCOLLECTIBLE)


@dataclass(frozen=True, slots=True)
class DisputeView:
    """What is disputed of an invoice, and what of it is still collected. Units: minor units."""

    number: str
    currency: str
    lines: tuple[int, ...]
    """By number; none: all of it, if anything."""
    disputed_minor: int
    collected_minor: int
    """What is owed and not disputed."""


@run_again
async def dispute(ctx: Context, actor: Actor, key: str, reason: str, *, line: int | None = None) -> DisputeView:
    """Stop collecting an invoice, or one line of it with its tax. Dunning pauses if nothing is left to collect.

    Transactions: one. An attempt that is under way goes on.
    Raises: NotFound, also for everybody but operators; Conflict if it is disputed already, or nothing is owed.
    """
    actor.require_operator()
    said = " ".join(reason.split())
    if not said or len(said) > _LONGEST_REASON:
        raise InvalidParams(f"reason: say why, in at most {_LONGEST_REASON} characters.")
    async with ctx.database.transaction() as tx:
        invoice, now = await _locked(tx, key), ctx.clock.now()
        if invoice.state not in _COLLECTABLE:
            raise Conflict(f"{invoice.number} is {invoice.state}: there is nothing to collect.")
        row = {"id": new_id(), "invoice_id": invoice.id, "line_id": await _line(tx, invoice, line), "reason": said}
        row |= {"actor_id": actor.id, "actor_email": actor.email, "created_at": now}
        try:
            async with tx.begin_nested():
                await tx.execute(insert(InvoiceDispute).values(row))
        except IntegrityError:
            raise Conflict(f"{_what(invoice, line)} is disputed already.") from None
        await emit(tx, "invoice.disputed", actor, now, **_told(invoice), line=line, reason=said)
        await look_again(tx, invoice.account_id, now)
        return await _view(tx, invoice)


@run_again
async def end_dispute(ctx: Context, actor: Actor, key: str, *, line: int | None = None) -> DisputeView:
    """Collect an invoice, or a line of it, again: without a line, all that is disputed of it. Its dates are put off by as long
    as it was paused.

    Transactions: one.
    Raises: NotFound, also for everybody but operators; Conflict if it is not disputed.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        invoice, now = await _locked(tx, key), ctx.clock.now()
        open_ones = update(InvoiceDispute).where(
            InvoiceDispute.invoice_id == invoice.id, InvoiceDispute.ended_at.is_(None)
        )
        if line is not None:
            open_ones = open_ones.where(InvoiceDispute.line_id == await _line(tx, invoice, line))
        ended = await tx.execute(open_ones.values(ended_at=now).returning(InvoiceDispute.id))
        if not ended.all():
            raise Conflict(f"{_what(invoice, line)} is not disputed.")
        await emit(tx, "invoice.dispute_ended", actor, now, **_told(invoice), line=line)
        await look_again(tx, invoice.account_id, now)
        return await _view(tx, invoice)


async def _locked(tx: Tx, key: str) -> Any:
    wanted = select(Invoice.id, Invoice.account_id, Invoice.number, Invoice.currency, Invoice.state)
    named = or_(Invoice.number == key, Invoice.id == as_uuid(key))
    row = (await tx.execute(wanted.where(named, Invoice.number.is_not(None)).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("invoice")
    return row


async def _line(tx: Tx, invoice: Any, number: int | None) -> UUID | None:
    if number is None:
        return None
    wanted = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice.id, InvoiceLine.number == number)
    line_id: UUID | None = (await tx.execute(wanted)).scalar()
    if line_id is None:
        raise NotFound("invoice_line")
    return line_id


def _what(invoice: Any, line: int | None) -> str:
    return str(invoice.number) if line is None else f"Line {line} of {invoice.number}"


def _told(invoice: Any) -> dict[str, Any]:
    return {"invoice_id": str(invoice.id), "account_id": str(invoice.account_id), "number": invoice.number}


async def _view(tx: Tx, invoice: Any) -> DisputeView:
    owed = await owed_on(tx, invoice.id)
    disputed = await disputed_on(tx, invoice.id, owed)
    lines = (
        select(InvoiceLine.number)
        .join(InvoiceDispute, InvoiceDispute.line_id == InvoiceLine.id)
        .where(InvoiceDispute.invoice_id == invoice.id, InvoiceDispute.ended_at.is_(None))
    )
    numbers = tuple((await tx.execute(lines.order_by(InvoiceLine.number))).scalars())
    return DisputeView(invoice.number, invoice.currency, numbers, disputed, max(owed - disputed, 0))
