"""Stopping the webhooks that somebody answers for, and starting them again: what stops is told nothing, and says why.

What was recorded before stays in line: it is told once the webhook is started. What happens meanwhile it is never told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from broker.events.claim import locked_webhook
from broker.events.deliver import drive
from broker.events.emit import emit
from broker.events.models import StopReason, Webhook
from broker.events.webhooks import OwnerOf, WebhookView, find_webhook
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx

_STOPPED: Final = {"due_at": None, "waiting_since": None}


async def stop_webhooks(tx: Tx, actor: Actor, which: ColumnElement[bool], reason: StopReason, at: datetime) -> None:
    """Stop those, each with a fact of its own. An attempt that is under way is its last; those that have stopped take the reason."""
    held = select(Webhook.id).where(which, Webhook.stopped_for.is_distinct_from(reason), Webhook.ended_at.is_(None))
    ids = list((await tx.execute(held.order_by(Webhook.id).with_for_update(key_share=True))).scalars())
    stopped = update(Webhook).where(Webhook.id.in_(ids)).values(stopped_at=at, stopped_for=reason, **_STOPPED)
    for row in await tx.execute(stopped.returning(Webhook.id, Webhook.app_id, Webhook.addon_id, Webhook.made_by)):
        await emit(
            tx, "webhook.stopped", actor, at, app_id=row.app_id, addon_id=row.addon_id, webhook=str(row.id),
            reason=reason.value, made_by=str(row.made_by),
        )  # fmt: skip


async def silence_webhooks(tx: Tx, actor: Actor, user_id: UUID, at: datetime) -> None:
    """Stop everything that somebody answers for whose account is being locked."""
    running = (Webhook.made_by == user_id) & Webhook.stopped_at.is_(None)
    await stop_webhooks(tx, actor, running, StopReason.ACCOUNT_LOCKED, at)


async def release_webhooks(tx: Tx, actor: Actor, user_id: UUID, at: datetime) -> None:
    """Start what was stopped with the lock, and for nothing else since."""
    held = select(Webhook.id).where(Webhook.made_by == user_id, Webhook.stopped_for == StopReason.ACCOUNT_LOCKED)
    for webhook_id in (await tx.execute(held.order_by(Webhook.id).with_for_update(key_share=True))).scalars().all():
        await start_webhook(tx, actor, webhook_id, user_id, at)


async def restart_webhook(ctx: Context, actor: Actor, owner_of: OwnerOf, key: str) -> WebhookView:
    """Start one that was stopped, which the actor answers for from now on. One that runs goes on as it is.

    Transactions: one of its own.
    Raises: NotFound, and what `owner_of` raises.
    """
    async with ctx.database.transaction() as tx:
        owner = await owner_of(tx)
        found = await find_webhook(tx, owner, key)
        await locked_webhook(tx, found.id)
        found = await find_webhook(tx, owner, key)  # somebody may have started it, or removed it
        if found.stopped_at is None:
            return found
        await start_webhook(tx, actor, found.id, actor.by.id, ctx.clock.now())
        return await find_webhook(tx, owner, key)


async def start_webhook(tx: Tx, actor: Actor, webhook_id: UUID, user_id: UUID, at: datetime) -> None:
    """Start one, whose row is locked; `user_id` answers for it from now on."""
    values = {"stopped_at": None, "stopped_for": None, "made_by": user_id, "due_at": at, "updated_at": at}
    started = update(Webhook).where(Webhook.id == webhook_id).values(values)
    row = (await tx.execute(started.returning(Webhook.app_id, Webhook.addon_id))).one()
    await emit(tx, "webhook.started", actor, at, app_id=row.app_id, addon_id=row.addon_id, webhook=str(webhook_id))
    await drive(tx, webhook_id)
