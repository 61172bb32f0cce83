"""What the gateway tells by webhook. It says that there is news; what is true is asked of the gateway, by the worker.

So it does not matter in which order webhooks arrive, how often, or whether they arrive at all: what is due is looked at
anyway. Each is taken in once for ever.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate

from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.jobs import defer
from broker.payments.denied import SAID_BY_HAND
from broker.payments.models import GatewayEvent, Payment, PaymentSetup, PaymentState, Refund
from broker.payments.ports import News
from broker.payments.refunds import REFUND
from broker.payments.setups import look_soon
from broker.payments.start import LOOK_BACK, PAY


async def take_news(ctx: Context, gateway: str, news: News) -> bool:
    """Take a webhook in; False if that was done before. Check its signature first.

    Transactions: one.
    """
    now = ctx.clock.now()
    row = {"gateway": gateway, "id": news.id, "kind": news.kind, "reference": news.reference, "received_at": now}
    taken = insert(GatewayEvent).values(row).on_conflict_do_nothing().returning(GatewayEvent.id)
    async with ctx.database.transaction() as tx:
        if (await tx.execute(taken)).scalar() is None:
            return False
        await _look_at_payment(tx, ctx, news)
        await _look_back(tx, ctx, gateway, news)
        await look_soon(tx, ctx, PaymentSetup.reference == news.reference)
        await _look_at_refund(tx, ctx, news)
    return True


async def _look_at_payment(tx: Tx, ctx: Context, news: News) -> None:
    """Also one that failed: money may have come after all. What is being asked about just now is not asked twice."""
    named = or_(Payment.gateway_reference == news.reference, Payment.id == news.subject)
    due = update(Payment).where(named, Payment.state != PaymentState.SUCCEEDED, Payment.lease_until.is_(None))
    for payment_id in await _ids(tx, due.values(next_at=ctx.clock.now()).returning(Payment.id)):
        await defer(tx, PAY, {"payment_id": str(payment_id)})


async def _look_back(tx: Tx, ctx: Context, gateway: str, news: News) -> None:
    """Also while it is being looked at: what the gateway is saying just now may be older than these news.

    What a person said to be paid is looked at whatever the news are: the gateway may deny it.
    """
    ours = or_(Payment.gateway_reference == news.reference, Payment.id == news.subject)
    named = and_(ours, Payment.failure_code.in_(SAID_BY_HAND))
    if news.taken_from:
        named = or_(named, Payment.gateway_reference == news.taken_from)
    paid = Payment.gateway == gateway, Payment.state == PaymentState.SUCCEEDED
    due = update(Payment).where(*paid, named).values(next_at=ctx.clock.now())
    for payment_id in await _ids(tx, due.returning(Payment.id)):
        await defer(tx, LOOK_BACK, {"payment_id": str(payment_id)})


async def _look_at_refund(tx: Tx, ctx: Context, news: News) -> None:
    named = or_(Refund.gateway_reference == news.reference, Refund.id == news.subject)
    due = update(Refund).where(named, Refund.finished_at.is_(None), Refund.lease_until.is_(None))
    for refund_id in await _ids(tx, due.values(next_at=ctx.clock.now()).returning(Refund.id)):
        await defer(tx, REFUND, {"refund_id": str(refund_id)})


async def _ids(tx: Tx, statement: ReturningUpdate[UUID]) -> list[UUID]:
    return list((await tx.execute(statement)).scalars())
