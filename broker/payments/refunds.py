"""Sending money back: recorded here by operators, done by the worker, and in the ledger once the gateway has done it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Row, insert, or_, select, update

from broker.billing.chargebacks import taken_on
from broker.billing.collect import record_refunded, record_unassigned, record_written_off
from broker.billing.credit_notes import TakenBack, locked_document, parts_of
from broker.billing.models import Invoice
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx, again_on_deadlock, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer
from broker.kernel.money import Money
from broker.kernel.pauses import pause_after
from broker.kernel.signals import notify as wake
from broker.payments.chargebacks import chargeback_key, kept_of
from broker.payments.models import Payment, PaymentState, Refund, RefundState
from broker.payments.pay import KEYS_KEPT, LOST_SIGHT_OF, is_missing
from broker.payments.ports import (
    Declined,
    Gateway,
    NotThere,
    Pending,
    RefundCall,
    Refunded,
    RefundLook,
    SentBack,
    Succeeded,
    Unknown,
)
from broker.payments.transfers import TRANSFER

REFUND: Final = "broker.refund"
"""Name of the job that goes on with one refund."""
LEASE: Final = timedelta(minutes=2)
FIRST_PAUSE: Final = timedelta(seconds=4)
LONGEST_PAUSE: Final = timedelta(hours=1)
NOT_BOOKED: Final = "not_booked"
"""The money is gone, and the books do not allow it: this is for people to put right."""
WRITTEN_OFF: Final = "written_off"
"""So they have."""
BY_HAND: Final = "settled_by_hand"
PAST_US: Final = "sent back at the payment gateway"
_AT_ONCE: Final = 200
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money that goes back. Units: minor units."""

    id: UUID
    payment_id: UUID
    invoice_id: UUID
    minor: int
    currency: str
    reason: str
    state: str
    failure_message: str | None
    created_at: datetime
    finished_at: datetime | None


_COLUMNS: Final = [getattr(Refund, name) for name in RefundView.__slots__]


@run_again
async def refund_payment(
    ctx: Context,
    actor: Actor,
    key: str,
    minor: int | None,
    reason: str,
    refund_id: UUID | None = None,
    lines: Sequence[TakenBack] = (),
) -> RefundView:
    """Send a payment back, or a part of it: operators only. What was paid past the gateway goes back by their own hand.

    Of these lines, with their tax, where some are named: then they say how much it is.

    Units: minor units of the payment's currency; None: all that is left of it.
    Raises: NotFound, also for everybody but operators; Conflict for what did not succeed, or was sent back already;
        InvalidParams for more than is left.
    """
    actor.require_operator()
    now, refund_id = ctx.clock.now(), refund_id or new_id()
    if lines and minor is not None:
        raise InvalidParams("amount_minor: the lines that are named say how much it is.")
    async with ctx.database.transaction() as tx:
        payment = await _locked(tx, Payment.id == as_uuid(key))
        await _require_alone(tx, payment.invoice_id, bool(lines))
        parts = await parts_of(tx, await locked_document(tx, str(payment.invoice_id)), lines) if lines else []
        if parts:
            minor = sum(part.net_minor + part.tax_minor for part in parts)
        taken = await taken_on(tx, payment.invoice_id, chargeback_key(payment.id))
        amount = _amount(payment, payment.collected_minor - payment.refunded_minor - taken, minor)
        counted = update(Payment).where(Payment.id == payment.id)
        await tx.execute(counted.values(refunded_minor=payment.refunded_minor + amount, updated_at=now))
        same = {name: getattr(payment, name) for name in ("invoice_id", "account_id", "currency")}
        row = {"id": refund_id, "payment_id": payment.id, "minor": amount, "reason": reason, "next_at": now, **same}
        row["lines"] = [[str(part.line.id), part.net_minor] for part in parts] or None
        row |= {"state": RefundState.PENDING, "actor_id": actor.id, "actor_email": actor.email}
        await tx.execute(insert(Refund).values(row | {"created_at": now, "updated_at": now}))
        await _try_to_book(tx, await _refund(tx, refund_id), now)
        if payment.gateway == TRANSFER:
            await _settled(tx, await _refund(tx, refund_id), Succeeded(TRANSFER), now, timedelta(0))
        else:
            await defer(tx, REFUND, {"refund_id": str(refund_id)})
        return await refund_view(tx, refund_id)


async def _require_alone(tx: Tx, invoice_id: UUID, names_lines: bool) -> None:
    """What lines have left is known when it is booked: so a refund of named lines is under way alone. The invoice is locked.

    Raises: Conflict.
    """
    under_way = select(Refund.id).where(Refund.invoice_id == invoice_id, Refund.finished_at.is_(None))
    if not names_lines:
        under_way = under_way.where(Refund.lines.is_not(None))
    if (await tx.execute(under_way.limit(1))).first() is not None:
        raise Conflict("Another refund of this invoice is under way: wait until it is settled.")


def _lines(row: Row[Any]) -> dict[UUID, int] | None:
    return {UUID(line): net for line, net in row.lines} if row.lines else None


async def _try_to_book(tx: Tx, row: Row[Any], now: datetime) -> None:
    """See that the books allow it, before money moves.

    Raises: Conflict.
    """
    async with tx.begin_nested() as undone:
        await record_refunded(tx, row.invoice_id, _lines(row), row.minor, f"refund {row.id}", now)
        await undone.rollback()


def _amount(payment: Row[Any], left: int, minor: int | None) -> int:
    if payment.state != PaymentState.SUCCEEDED:
        raise Conflict("Only a payment that succeeded can be sent back.")
    if left <= 0:
        raise Conflict("This payment was sent back already, or a bank took it back.")
    if minor is not None and not 0 < minor <= left:
        raise InvalidParams(f"amount_minor: at most {Money(left, payment.currency)} of this payment can be sent back.")
    return left if minor is None else minor


async def take_in_refund(tx: Tx, payment: Any, seen: SentBack, now: datetime) -> None:
    """Make true what the gateway says of a refund of this payment, which is locked with its invoice. What was sent back past
    the broker is written down as if it had been asked for here, once for ever.
    """
    ours = uuid5(payment.id, seen.reference)
    named = or_(Refund.id.in_([seen.refund_id or ours, ours]), Refund.gateway_reference == seen.reference)
    known = select(*Refund.__table__.columns).where(Refund.payment_id == payment.id, named).with_for_update()
    row = (await tx.execute(known)).first()
    if row is None and not isinstance(seen.answer, Declined):
        row = await _written_down(tx, payment, ours, seen, now)
    if row is None:
        return
    if row.finished_at is None and row.lease_until is None:
        await make_refund_true(tx, row, seen.answer, now)
    elif row.state == RefundState.SUCCEEDED and isinstance(seen.answer, Declined):
        await _came_back(tx, row, seen.answer, now)
    elif row.failure_code == BY_HAND and isinstance(seen.answer, Succeeded):  # somebody had said that it failed
        await _count(tx, row, row.minor, now)
        await make_refund_true(tx, row, seen.answer, now)


async def _written_down(tx: Tx, payment: Any, refund_id: UUID, seen: SentBack, now: datetime) -> Row[Any]:
    same = {name: getattr(payment, name) for name in ("invoice_id", "account_id", "currency")}
    row = {"id": refund_id, "payment_id": payment.id, "minor": seen.minor, "gateway_reference": seen.reference, **same}
    row |= {"reason": seen.reason or PAST_US, "state": RefundState.UNSURE, "next_at": now + LONGEST_PAUSE}
    row |= {"actor_id": SYSTEM.id, "actor_email": SYSTEM.email, "created_at": now, "updated_at": now}
    await tx.execute(insert(Refund).values(row))
    written = await _refund(tx, refund_id)
    await _count(tx, written, seen.minor, now)
    return written


async def _count(tx: Tx, row: Row[Any], minor: int, now: datetime) -> None:
    """So much more of the payment goes back; below zero, so much less."""
    counted = update(Payment).where(Payment.id == row.payment_id)
    await tx.execute(counted.values(refunded_minor=Payment.refunded_minor + minor, updated_at=now))


async def _came_back(tx: Tx, row: Row[Any], answer: Declined, now: datetime) -> None:
    """What was sent back, and booked so, could not be paid out after all: the credit note stays, and the money is a credit.

    What was not booked is as if it had never been.
    """
    said = {"failure_code": answer.code, "failure_message": answer.message}
    await _write(tx, row, RefundState.FAILED, now, **said)
    key = f"refund {row.id} came back"
    if row.failure_code in (NOT_BOOKED, WRITTEN_OFF):
        await _count(tx, row, -row.minor, now)
    else:
        money, why = Money(row.minor, row.currency), "a refund that could not be paid out"
        await record_unassigned(tx, row.account_id, money, key, why, now, SYSTEM)
    if row.failure_code == WRITTEN_OFF:
        await record_written_off(tx, row.account_id, Money(-row.minor, row.currency), key, now)
    await emit(tx, "payment.refund_failed", SYSTEM, now, **_facts(row), code=answer.code)


async def get_refund(ctx: Context, actor: Actor, refund_id: UUID) -> RefundView:
    """A refund of whatever account: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await refund_view(tx, refund_id)


async def refund(ctx: Context, gateway: Gateway, refund_id: UUID) -> Refunded | None:
    """Go on with a refund if it is due and nobody else does; what the gateway answered.

    Transactions: one to claim it, one to settle; none while the gateway is asked. Under the same key it happens once; what
    the gateway is working on, or may have done before it forgot the key, is looked at.
    """
    row = await _claim(ctx, refund_id)
    if row is None:
        return None
    answer: Refunded = Unknown("another gateway is set up now than the one that was paid through")
    if row.gateway == gateway.name:
        answer = await _ask(ctx, gateway, refund_id, row)
    await again_on_deadlock(lambda: _settle(ctx, refund_id, row.fencing, row.tries, answer))
    _log.info("refund.tried", refund=str(refund_id), answer=type(answer).__name__)
    return answer


async def _ask(ctx: Context, gateway: Gateway, refund_id: UUID, row: Row[Any]) -> Refunded:
    is_old = row.tries > 1 and ctx.clock.now() > row.created_at + KEYS_KEPT
    if row.gateway_reference is not None or is_old:
        found = await gateway.look_at_refund(RefundLook(refund_id, row.payment_reference, row.gateway_reference))
        if not isinstance(found, NotThere):
            return found
    answer = await gateway.refund(RefundCall(refund_id, row.payment_reference, row.minor, row.currency))
    return Unknown(LOST_SIGHT_OF) if row.tries > 1 and is_missing(answer) else answer


async def _claim(ctx: Context, refund_id: UUID) -> Row[Any] | None:
    now = ctx.clock.now()
    free = or_(Refund.lease_until.is_(None), Refund.lease_until <= now)
    claimed = (
        update(Refund)
        .where(Refund.id == refund_id, Refund.finished_at.is_(None), Refund.next_at <= now, free)
        .where(Payment.id == Refund.payment_id)
        .values(state=RefundState.CALLING, fencing=Refund.fencing + 1, tries=Refund.tries + 1)
        .values(lease_until=now + LEASE, next_at=now + LEASE, updated_at=now)
        .returning(Refund.fencing, Refund.tries, Refund.minor, Refund.currency)
        .returning(Refund.created_at, Refund.gateway_reference)
        .returning(Payment.gateway)
        .returning(Payment.gateway_reference.label("payment_reference"))
    )
    async with ctx.database.transaction() as tx:
        return (await tx.execute(claimed)).one_or_none()


async def _settle(ctx: Context, refund_id: UUID, fencing: int, tries: int, answer: Refunded) -> None:
    pause = pause_after(tries, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    async with ctx.database.transaction() as tx:
        of_it = select(Refund.payment_id).where(Refund.id == refund_id).scalar_subquery()
        await _locked(tx, Payment.id == of_it)
        row = await _refund(tx, refund_id)
        if row.fencing == fencing and row.finished_at is None:
            await _settled(tx, row, answer, ctx.clock.now(), pause)
            await wake(tx, refund_id)


async def make_refund_true(tx: Tx, row: Row[Any], answer: Refunded, now: datetime) -> None:
    """Write down what an answer means for a refund that is locked with its invoice and its payment, and has not ended."""
    await _settled(tx, row, answer, now, LONGEST_PAUSE)
    await wake(tx, row.id)


async def _settled(tx: Tx, row: Row[Any], answer: Refunded, now: datetime, pause: timedelta) -> None:
    facts = _facts(row)
    if isinstance(answer, Succeeded):
        done: dict[str, Any] = {"finished_at": now, "failure_code": None, "failure_message": None}
        await _write(tx, row, RefundState.SUCCEEDED, now, gateway_reference=answer.reference, **done)
        await _book(tx, row, now)
        await emit(tx, "payment.refunded", SYSTEM, now, **facts)
    elif isinstance(answer, Declined):
        said = {"failure_code": answer.code, "failure_message": answer.message, "finished_at": now}
        await _write(tx, row, RefundState.FAILED, now, **said)
        await _count(tx, row, -row.minor, now)
        await emit(tx, "payment.refund_failed", SYSTEM, now, **facts, code=answer.code)
    else:
        told = {"gateway_reference": answer.reference} if isinstance(answer, Pending) else {}
        await _write(tx, row, RefundState.UNSURE, now, next_at=now + pause, **told)


def _facts(row: Row[Any]) -> dict[str, Any]:
    named = {name: str(value) for name, value in (("refund_id", row.id), ("payment_id", row.payment_id))}
    amount = str(Money(row.minor, row.currency))
    return named | {"account_id": str(row.account_id), "amount": amount, "reason": row.reason}


async def _book(tx: Tx, row: Row[Any], now: datetime) -> None:
    by = Actor(row.actor_id, row.actor_email, frozenset())
    key = f"refund {row.id}"
    try:
        async with tx.begin_nested():  # what was written before a refusal is undone
            if await kept_of(tx, row.payment_id, row.invoice_id) < 0:  # this refund is counted already
                raise Conflict("The invoice has less than that of this payment: the rest of it became a credit.")
            await record_refunded(tx, row.invoice_id, _lines(row), row.minor, key, now, actor=by, reason=row.reason)
    except (Conflict, InvalidParams) as refusal:
        # A credit note came in between, and the money is gone all the same: this is for people to put right.
        _log.error("refund.not_booked", refund=str(row.id), why=refusal.message)
        await _write(tx, row, RefundState.SUCCEEDED, now, failure_code=NOT_BOOKED, failure_message=refusal.message)


async def _write(tx: Tx, row: Row[Any], state: RefundState, now: datetime, **values: Any) -> None:
    values = {"next_at": None, "lease_until": None, "state": state, "updated_at": now} | values
    await tx.execute(update(Refund).where(Refund.id == row.id).values(values))


async def _locked(tx: Tx, which: Any) -> Row[Any]:
    """A payment, with its invoice locked before it."""
    invoice = select(Payment.invoice_id).where(which).scalar_subquery()
    await tx.execute(select(Invoice.id).where(Invoice.id == invoice).with_for_update())
    locked = select(*Payment.__table__.columns).where(which).with_for_update()
    row = (await tx.execute(locked)).one_or_none()
    if row is None:
        raise NotFound("payment")
    return row


async def _refund(tx: Tx, refund_id: UUID) -> Row[Any]:
    return (await tx.execute(select(*Refund.__table__.columns).where(Refund.id == refund_id).with_for_update())).one()


async def refund_view(tx: Tx, refund_id: UUID) -> RefundView:
    """One of whatever account: ask who it is before.

    Raises: NotFound.
    """
    row = (await tx.execute(select(*_COLUMNS).where(Refund.id == refund_id))).one_or_none()
    if row is None:
        raise NotFound("refund")
    return RefundView(*row)


async def enqueue_refunds(ctx: Context) -> int:
    """Defer a job for each refund whose time has come; the number of them. Part of the sweep."""
    due = (
        select(Refund.id)
        .where(Refund.next_at <= ctx.clock.now(), Refund.finished_at.is_(None))
        .order_by(Refund.next_at)
        .limit(_AT_ONCE)
    )
    async with ctx.database.transaction() as tx:
        ids = (await tx.execute(due)).scalars().all()
        for refund_id in ids:
            await defer(tx, REFUND, {"refund_id": str(refund_id)})
    return len(ids)
