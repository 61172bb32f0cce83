"""Looking at what became of a payment after it had succeeded: refunds that were made past the broker, banks that took it back.

A webhook says that there is news; the gateway is asked while no transaction is open, and what it says is made true. What
was made true before changes nothing, so neither order nor number of webhooks matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import or_, update
from sqlalchemy.dialects.postgresql import insert

from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.payments.chargebacks import take_in_chargeback
from broker.payments.denied import SAID_BY_HAND, look_call, take_in_word
from broker.payments.fees import take_in_fee
from broker.payments.models import GatewayEvent, Payment, PaymentState
from broker.payments.ports import Aftermath, Charged, Gateway, NotThere, Unknown, Verdict
from broker.payments.refunds import take_in_refund
from broker.payments.settle import locked_payment

LEASE: Final = timedelta(minutes=2)
SOON: Final = timedelta(minutes=5)
"""When what could not be seen is looked at again."""
REACH: Final = timedelta(days=7)
"""How far back the daily look goes: so long the gateway may have been out of reach, and its webhooks lost."""
DAILY: Final = timedelta(days=1)
"""How often a bank that has not decided yet is asked, in case no webhook tells."""
_log = structlog.get_logger()


_Seen = Aftermath | Charged | NotThere


@dataclass(frozen=True, slots=True)
class _Work:
    payment_id: UUID
    fencing: int
    until: datetime
    """The end of the lease. If the payment is due at another time by then, there are newer news."""
    gateway: str
    reference: str
    said_by_hand: bool
    """Whether the gateway has not told yet that it succeeded."""


async def look_back(ctx: Context, gateway: Gateway, payment_id: UUID) -> _Seen | None:
    """Look at a payment if it is due and nobody else does; what the gateway said.

    Transactions: one to claim it, one to make true what was said; none while the gateway is asked.
    """
    work = await again_on_deadlock(lambda: _claim(ctx, payment_id))
    if work is None:
        return None
    seen: _Seen = Unknown("another gateway is set up now than the one that was paid through")
    pause = DAILY  # the other one may be set up again
    if work.gateway == gateway.name and work.said_by_hand:
        seen = await gateway.look_at(await look_call(ctx, payment_id, gateway.name))
    elif work.gateway == gateway.name:
        seen, pause = await gateway.look_back(work.reference), SOON
    await again_on_deadlock(lambda: _settle(ctx, work, seen, pause))
    _log.info("payment.looked_back", payment=str(payment_id), seen=type(seen).__name__)
    return seen


async def _claim(ctx: Context, payment_id: UUID) -> _Work | None:
    now = ctx.clock.now()
    free = or_(Payment.lease_until.is_(None), Payment.lease_until <= now)
    due = Payment.id == payment_id, Payment.state == PaymentState.SUCCEEDED, Payment.next_at <= now, free
    claimed = (
        update(Payment)
        .where(*due, Payment.gateway_reference.is_not(None))
        .values(fencing=Payment.fencing + 1, lease_until=now + LEASE, next_at=now + LEASE, updated_at=now)
        .returning(Payment.fencing, Payment.gateway, Payment.gateway_reference, Payment.failure_code)
    )
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(claimed)).one_or_none()
    by_hand = row is not None and row.failure_code in SAID_BY_HAND
    return row and _Work(payment_id, row.fencing, now + LEASE, row.gateway, row.gateway_reference, by_hand)


async def _settle(ctx: Context, work: _Work, seen: _Seen, pause: timedelta) -> None:
    async with ctx.database.transaction() as tx:
        payment, now = await locked_payment(tx, work.payment_id), ctx.clock.now()
        if payment.fencing != work.fencing:
            return
        again = await _take_in(tx, payment, seen, now, pause)
        if payment.next_at != work.until:
            again = payment.next_at
        done = update(Payment).where(Payment.id == payment.id)
        await tx.execute(done.values(lease_until=None, next_at=again, updated_at=now))


async def _take_in(tx: Tx, payment: Any, seen: _Seen, now: datetime, pause: timedelta) -> datetime | None:
    """Make it true; when to look again: after the pause, if there was nothing to be seen."""
    if isinstance(seen, Unknown):
        _log.warning("payment.not_seen", payment=str(payment.id), note=seen.note)
        return now + pause
    if not isinstance(seen, Aftermath):
        return await take_in_word(tx, payment, seen, now, pause)
    again = [now + DAILY for each in seen.chargebacks if each.verdict is Verdict.OPEN]
    if seen.fee_minor is None:
        again.append(now + SOON)
    else:
        await take_in_fee(tx, payment, seen.fee_minor, now)
    # The bank's decisions first: what it gave back can be refunded, and what it keeps cannot.
    for chargeback in seen.chargebacks:
        await take_in_chargeback(tx, payment, chargeback, now)
    for refund in seen.refunds:
        await take_in_refund(tx, payment, refund, now)
    return min(again, default=None)


async def look_daily(ctx: Context, gateway: Gateway) -> int:
    """Once a day, ask what went back lately, in case no webhook told; how many payments are looked at. Part of the sweep.

    Transactions: one to take the turn, one to make them due; none while the gateway is asked.
    """
    now = ctx.clock.now()
    turn = {"gateway": gateway.name, "id": f"day {now:%Y-%m-%d}", "kind": "broker.daily", "reference": ""}
    taken = insert(GatewayEvent).values(turn | {"received_at": now}).on_conflict_do_nothing().returning(GatewayEvent.id)
    async with ctx.database.transaction() as tx:
        if (await tx.execute(taken)).scalar() is None:
            return 0
    gone = await gateway.gone_since(ctx.wall.now() - REACH)
    if isinstance(gone, Unknown):
        _log.warning("payments.not_seen", note=gone.note)
        return 0
    theirs = Payment.gateway == gateway.name, Payment.gateway_reference.in_(gone)
    due = update(Payment).where(*theirs, Payment.state == PaymentState.SUCCEEDED, Payment.next_at.is_(None))
    async with ctx.database.transaction() as tx:
        return (await tx.execute(due.values(next_at=now))).rowcount
