"""Going on with one payment: claim it, ask the gateway, settle. The gateway is asked while no transaction is open.

Killed anywhere, the payment is due again when its lease ends, and the gateway is asked under the same key: one charge.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import and_, case, func, or_, select, update

from broker.accounts.models import User
from broker.billing.models import BillingAccount, Invoice
from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.jobs import defer
from broker.kernel.pauses import pause_after
from broker.payments.customers import reference_of
from broker.payments.models import Payment, PaymentMethod, PaymentState
from broker.payments.ports import ActionNeeded, ChargeCall, Charged, Declined, Gateway, LookCall, NotThere, Unknown
from broker.payments.settle import settle, withdraw
from broker.payments.standing import payment_page
from broker.payments.start import LOOK_BACK, PAY, WITHDRAWN, to_collect

LEASE: Final = timedelta(minutes=2)
"""How long a payment belongs to who claimed it: longer than any call may last."""
KEYS_KEPT: Final = timedelta(hours=20)
"""How long the gateway surely knows a key again, and answers what it answered first. It keeps them for a day."""
TO_CONFIRM: Final = timedelta(hours=1)
"""How long whoever pays by hand has to confirm it."""
FIRST_PAUSE: Final = timedelta(seconds=4)
LONGEST_PAUSE: Final = timedelta(hours=1)
_AT_ONCE: Final = 200
_NOT_OURS: Final = "The payment method belongs to a payment gateway that is not used any more: add another one."
_ANOTHER: Final = "another gateway is set up now than the one that was asked"
LOST_SIGHT_OF: Final = (
    "the gateway does not know any more what it was asked about before: is the key that of another account?"
)
_NEVER_ARRIVED: Final = "The payment gateway could not be reached in time."
_NOTHING_LEFT: Final = "There was nothing left to be paid of this invoice: nothing was charged."
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed payment with what to ask."""

    payment_id: UUID
    fencing: int
    tries: int
    gateway: str
    call: ChargeCall | LookCall
    give_up: bool
    """Whether nobody has confirmed it in time."""


async def pay(ctx: Context, gateway: Gateway, payment_id: UUID) -> Charged | None:
    """Go on with a payment if it is due and nobody else does; what the gateway answered.

    Transactions: one to claim it, one to settle; none while the gateway is asked.
    """
    work = await _claim(ctx, payment_id)
    if work is None:
        return None
    answer = await _ask(gateway, work)
    pause = pause_after(work.tries, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    settled = await again_on_deadlock(lambda: settle(ctx, payment_id, work.fencing, answer, pause))
    _log.info("payment.tried", payment=str(payment_id), answer=type(answer).__name__, settled=settled)
    if isinstance(answer, Unknown):
        _log.warning("payment.unsure", payment=str(payment_id), note=answer.note)
    return answer


async def _ask(gateway: Gateway, work: Work) -> Charged:
    if work.gateway != gateway.name:
        # The other gateway may have taken the money, if it was ever asked: then nobody is charged again.
        return Declined("gateway_changed", _NOT_OURS) if work.tries == 1 else Unknown(_ANOTHER)
    if isinstance(work.call, ChargeCall):
        answer = await gateway.charge(work.call)
        # What was asked before may have been taken: by an account of the gateway's that our key belongs to no more.
        return Unknown(LOST_SIGHT_OF) if work.tries > 1 and is_missing(answer) else answer
    found = await gateway.look_at(work.call)
    if isinstance(found, NotThere):
        return Declined("not_reached", _NEVER_ARRIVED)
    if isinstance(found, ActionNeeded) and found.reference is not None and work.give_up:
        return await gateway.give_up(found.reference)
    return found


def is_missing(answer: object) -> bool:
    """Whether the gateway does not know whom or what it is asked about."""
    return isinstance(answer, Declined) and answer.code == "resource_missing"


async def _claim(ctx: Context, payment_id: UUID) -> Work | None:
    now = ctx.clock.now()
    claimed = (
        update(Payment)
        .where(Payment.id == payment_id, Payment.next_at <= now, _free(now), Payment.state != PaymentState.SUCCEEDED)
        .values(
            # What has ended is looked at without coming to life again.
            state=case((Payment.finished_at.is_(None), PaymentState.CALLING.value), else_=Payment.state),
            fencing=Payment.fencing + 1,
            tries=Payment.tries + 1,
            called_at=func.coalesce(Payment.called_at, now),
            lease_until=now + LEASE,
            next_at=now + LEASE,
            updated_at=now,
        )
        .returning(Payment)
    )
    async with ctx.database.transaction() as tx:
        state = await _lock_invoice(tx, payment_id)
        row: Mapping[Any, Any] | None = (await tx.execute(claimed)).mappings().one_or_none()
        if row is not None and row["tries"] == 1:
            row = await _still_owed(tx, row, state, now)
        if row is None:
            return None
        about = (
            select(PaymentMethod.reference, BillingAccount.gateway_customer, Invoice.number, User.team_name)
            .select_from(Payment)
            .join(User, User.id == Payment.account_id)
            .join(Invoice, Invoice.id == Payment.invoice_id)
            .outerjoin(PaymentMethod, PaymentMethod.id == Payment.method_id)
            .outerjoin(BillingAccount, BillingAccount.id == Payment.account_id)
            .where(Payment.id == payment_id)
        )
        method, customer, number, team = (await tx.execute(about)).one()
        known = reference_of(customer, row["gateway"])
        page = ctx.rules.public_url + payment_page(row["account_id"], is_team=team is not None)
        return _work(row, method, known, number, page, now)


async def _lock_invoice(tx: Tx, payment_id: UUID) -> str | None:
    """Lock the invoice of a payment that no gateway has been asked for yet; the invoice's state. Its lock comes before the payment's."""
    first = select(Payment.invoice_id).where(Payment.id == payment_id, Payment.tries == 0).scalar_subquery()
    return (await tx.execute(select(Invoice.state).where(Invoice.id == first).with_for_update())).scalar()


async def _still_owed(tx: Tx, row: Mapping[Any, Any], state: str | None, now: datetime) -> Mapping[Any, Any] | None:
    """The payment of no more than is to be collected by now; None if that is nothing, and the payment has ended."""
    if state is None or row["finished_at"] is not None:
        return row
    owed = await to_collect(tx, row["invoice_id"], state, by_hand=row["by_hand"])
    if owed <= 0:
        await withdraw(tx, row["id"], WITHDRAWN, _NOTHING_LEFT, now)
        return None
    if owed >= row["minor"]:
        return row
    await tx.execute(update(Payment).where(Payment.id == row["id"]).values(minor=owed))
    return {**row, "minor": owed}


def _free(now: datetime) -> Any:
    return or_(Payment.lease_until.is_(None), Payment.lease_until <= now)


def _work(
    row: Mapping[Any, Any], method: str | None, customer: str | None, number: str | None, page: str, now: datetime
) -> Work:
    """Ask for the money while its key is known to the gateway, and look what became of it afterwards."""
    call: ChargeCall | LookCall = LookCall(row["id"], row["gateway_reference"], customer)
    fresh = row["gateway_reference"] is None and now < row["called_at"] + KEYS_KEPT
    if fresh and customer is not None and method is not None and row["finished_at"] is None:
        back = page if row["by_hand"] else None
        call = ChargeCall(row["id"], customer, method, row["minor"], row["currency"], number or "", back)
    over = now >= row["created_at"] + TO_CONFIRM
    return Work(row["id"], row["fencing"], row["tries"], row["gateway"], call, over)


async def enqueue_payments(ctx: Context) -> int:
    """Defer a job for each payment whose time has come; the number of them. Part of the sweep."""
    now = ctx.clock.now()
    due = (
        select(Payment.id, Payment.state)
        .where(and_(Payment.next_at <= now, _free(now)))
        .order_by(Payment.next_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(due)).all()
        for payment_id, state in rows:
            job = LOOK_BACK if state == PaymentState.SUCCEEDED else PAY
            await defer(tx, job, {"payment_id": str(payment_id)})
    return len(rows)
