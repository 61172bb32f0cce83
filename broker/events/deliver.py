"""Telling one webhook its next event: claim, send with no transaction open, settle. One attempt per job, one at a time per webhook."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, select, update

from broker.events.attempts import Attempt, Receipt, Send, Verdict, judge
from broker.events.claim import USUAL, Places, attempt_row, claim, first_unfinished, lock_host, locked_webhook
from broker.events.emit import DELIVER
from broker.events.models import DeliveryStatus, Webhook, WebhookDelivery, WebhookOutbox
from broker.events.take_in import Render
from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.jobs import BEHIND, WEBHOOKS, defer

_chance = random.SystemRandom()
_log = structlog.get_logger()


async def deliver(ctx: Context, render: Render, send: Send, webhook_id: UUID, places: Places = USUAL) -> None:
    """Make the next attempt, if one is due. Running it twice, or at the same time, does no harm.

    Killed after the receiver has answered and before that is settled, the attempt is made again: the event's id is the same.
    """
    attempt = await again_on_deadlock(lambda: _claim(ctx, webhook_id, render, places))
    if attempt is None:
        return
    receipt = await send(attempt)
    verdict = await again_on_deadlock(lambda: _settle(ctx, attempt, receipt))
    _log.info(
        "webhook.attempted",
        webhook=str(webhook_id),
        delivery=str(attempt.delivery_id),
        attempt=attempt.number,
        code=receipt.code,
        error=receipt.error,
        status=verdict and verdict.status.value,
    )


async def _claim(ctx: Context, webhook_id: UUID, render: Render, places: Places) -> Attempt | None:
    async with ctx.database.transaction() as tx:
        found = await claim(tx, ctx, webhook_id, render, places)
        if found.is_more_in_outbox:
            await drive(tx, webhook_id)
        return found.attempt


async def drive(tx: Tx, webhook_id: UUID, at: datetime | None = None, *, is_failing: bool = False) -> None:
    """Have a worker look after this webhook, at `at` or at once. Doing so too often is harmless.

    Whoever has been failing goes behind the others: most of those take their time to fail.
    """
    priority = BEHIND if is_failing else 0
    await defer(tx, DELIVER, {"webhook_id": str(webhook_id)}, at=at, priority=priority, queue=WEBHOOKS)


async def _settle(ctx: Context, attempt: Attempt, receipt: Receipt) -> Verdict | None:
    """Write what came of the attempt and let go of the webhook; None if somebody else holds it by now, or it is gone."""
    async with ctx.database.transaction() as tx:
        hook = await locked_webhook(tx, attempt.webhook_id)
        if hook is None or hook.fencing != attempt.fencing:
            return None
        now = ctx.clock.now()
        verdict = judge(attempt, receipt, now, _chance.random())
        await _write(tx, attempt, receipt, verdict, now)
        await _let_go(tx, hook, receipt, now)
        return verdict


async def _write(tx: Tx, attempt: Attempt, receipt: Receipt, verdict: Verdict, now: datetime) -> None:
    ended = DeliveryStatus.SUCCEEDED if receipt.is_delivered else DeliveryStatus.FAILED
    written = {
        "status": verdict.status,
        "next_attempt_at": verdict.next_at,
        "last_attempt": attempt_row(attempt.id, attempt.at, now, ended, receipt.code, receipt.error),
        "updated_at": now,
        "finished_at": now if verdict.next_at is None else None,
    }
    await tx.execute(update(WebhookDelivery).where(WebhookDelivery.id == attempt.delivery_id).values(written))


async def _let_go(tx: Tx, hook: Row[Any], receipt: Receipt, now: datetime) -> None:
    """Free the webhook and its place at the host, and see to it that what is left is looked after."""
    head = await first_unfinished(tx, hook.id)
    due_at = None if head is None or hook.stopped_at is not None else head.next_attempt_at or now
    failing_since = None if receipt.is_delivered else hook.failing_since or now
    free = {"lease_until": None, "due_at": due_at, "failing_since": failing_since}
    await tx.execute(update(Webhook).where(Webhook.id == hook.id).values(free))
    if due_at is not None:
        await drive(tx, hook.id, due_at if due_at > now else None, is_failing=failing_since is not None)
    elif hook.stopped_at is None and await _is_more_recorded(tx, hook.id):
        await drive(tx, hook.id)
    await _wake_next(tx, hook.host)


async def _is_more_recorded(tx: Tx, webhook_id: UUID) -> bool:
    queued = select(WebhookOutbox.event_id).where(WebhookOutbox.webhook_id == webhook_id).limit(1)
    return (await tx.execute(queued)).first() is not None


async def _wake_next(tx: Tx, host: str) -> None:
    """Give the place to the webhook that has been waiting longest for one of this host."""
    await lock_host(tx, host)
    longest = (
        select(Webhook.id)
        .where(Webhook.host == host, Webhook.waiting_since.is_not(None))
        .order_by(Webhook.waiting_since)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    woken = update(Webhook).where(Webhook.id == longest.scalar_subquery()).values(waiting_since=None)
    for webhook_id in (await tx.execute(woken.returning(Webhook.id))).scalars():
        await drive(tx, webhook_id)
