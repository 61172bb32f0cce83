"""The watchdog of webhooks: what is due and nobody drives gets a job again, and what is old is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import and_, delete, exists, or_, select, update

from broker.events.deliver import drive
from broker.events.models import Webhook, WebhookDelivery, WebhookEvent, WebhookOutbox
from broker.events.webhooks import delete_webhooks
from broker.kernel.context import Context

_PATIENCE: Final = timedelta(seconds=5)
_QUEUED_FOR: Final = timedelta(minutes=1)
_AT_ONCE: Final = 500


async def revive_webhooks(ctx: Context) -> int:
    """Defer a job for each webhook whose job was lost or whose worker died; the number of them. Doing so too often is harmless."""
    now = ctx.clock.now()
    free = or_(Webhook.lease_until.is_(None), Webhook.lease_until <= now)
    told_to_wait = and_(Webhook.waiting_since.is_not(None), Webhook.waiting_since > now - _QUEUED_FOR)
    queued = exists().where(WebhookOutbox.webhook_id == Webhook.id)
    late = or_(Webhook.due_at <= now - _PATIENCE, and_(queued, Webhook.lease_until.is_(None)))
    found = (
        select(Webhook.id)
        .where(free, ~told_to_wait, late, Webhook.stopped_at.is_(None))
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    async with ctx.database.transaction() as tx:
        ids = list((await tx.execute(found)).scalars())
        await tx.execute(update(Webhook).where(Webhook.id.in_(ids), Webhook.due_at < now).values(due_at=now))
        for webhook_id in ids:
            await drive(tx, webhook_id)
    return len(ids)


async def forget_old(ctx: Context, keep: timedelta) -> int:
    """Delete finished deliveries with their events that are older than `keep`, and webhooks that ended as long ago; how many."""
    before = ctx.clock.now() - keep
    old = select(WebhookDelivery.id, WebhookDelivery.event_id).where(WebhookDelivery.finished_at < before)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(old.limit(_AT_ONCE).with_for_update(skip_locked=True))).all()
        await tx.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_([row.id for row in rows])))
        await tx.execute(delete(WebhookEvent).where(WebhookEvent.id.in_([row.event_id for row in rows])))
        ended = select(Webhook.id).where(Webhook.ended_at < before).limit(_AT_ONCE).with_for_update(skip_locked=True)
        await delete_webhooks(tx, list((await tx.execute(ended)).scalars()))
    return len(rows)
