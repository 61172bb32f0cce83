"""Reading what webhooks were told and how it went, and telling it again by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from broker.events.claim import locked_webhook
from broker.events.deliver import drive
from broker.events.emit import emit
from broker.events.models import DeliveryStatus, Webhook, WebhookDelivery, WebhookEvent
from broker.events.take_in import TRIED_FOR
from broker.events.webhooks import Owner, OwnerOf, of_owner
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.parts import Part, bounded


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """How the telling of one event goes, or went."""

    id: UUID
    sequence: int
    status: str
    num_attempts: int
    next_attempt_at: datetime | None
    last_attempt: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime
    event_id: UUID
    include: str
    webhook_id: UUID
    level: str


@dataclass(frozen=True, slots=True)
class EventView:
    """What a webhook is told."""

    id: UUID
    sequence: int
    include: str
    payload: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


async def list_deliveries(ctx: Context, owner_of: OwnerOf, part: Part, status: str | None = None) -> list[DeliveryView]:
    """The deliveries of an app's or add-on's webhooks, oldest first or newest first.

    Raises: InvalidParams for a status that there is not.
    """
    if status is not None and status not in tuple(DeliveryStatus):
        raise InvalidParams(f"eq[status]: must be one of {', '.join(DeliveryStatus)}.")
    async with ctx.database.transaction() as tx:
        statement = _deliveries(await owner_of(tx))
        if status is not None:
            statement = statement.where(WebhookDelivery.status == status)
        return [DeliveryView(*row) for row in await tx.execute(bounded(statement, WebhookDelivery.id, part))]


async def get_delivery(ctx: Context, owner_of: OwnerOf, key: str) -> DeliveryView:
    """One delivery by id.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        return await _find_delivery(tx, await owner_of(tx), key)


async def list_events(ctx: Context, owner_of: OwnerOf, part: Part) -> list[EventView]:
    """What an app's or add-on's webhooks were told, oldest first or newest first."""
    async with ctx.database.transaction() as tx:
        statement = _events(await owner_of(tx))
        return [EventView(*row) for row in await tx.execute(bounded(statement, WebhookEvent.id, part))]


async def get_event(ctx: Context, owner_of: OwnerOf, key: str) -> EventView:
    """One event by id.

    Raises: NotFound.
    """
    event_id = as_uuid(key)
    async with ctx.database.transaction() as tx:
        statement = _events(await owner_of(tx)).where(WebhookEvent.id == event_id)
        row = (await tx.execute(statement)).one_or_none() if event_id else None
    if row is None:
        raise NotFound("webhook event")
    return EventView(*row)


async def retry_delivery(ctx: Context, actor: Actor, owner_of: OwnerOf, key: str) -> DeliveryView:
    """Tell it again, or at once instead of at its time. It goes before what is waiting, because its number is lower.

    Transactions: one of its own.
    Raises: NotFound; Conflict while an attempt is under way, and for a webhook that is stopped.
    """
    async with ctx.database.transaction() as tx:
        owner = await owner_of(tx)
        found = await _find_delivery(tx, owner, key)
        hook = await locked_webhook(tx, found.webhook_id)
        found = await _find_delivery(tx, owner, key)
        if found.status == DeliveryStatus.SCHEDULED:
            raise Conflict("An attempt is under way; see in a moment what came of it.")
        if hook is not None and hook.stopped_at is not None:
            raise Conflict("The webhook is stopped, and is told nothing: start it again first.")
        now = ctx.clock.now()
        await _reopen(tx, found, now)
        await emit(
            tx, "webhook.retried", actor, now, app_id=owner.app_id, addon_id=owner.addon_id,
            webhook=str(found.webhook_id), delivery=str(found.id),
        )  # fmt: skip
        return await _find_delivery(tx, owner, key)


async def _reopen(tx: Tx, found: DeliveryView, now: datetime) -> None:
    reopened = {
        "status": DeliveryStatus.PENDING,
        "next_attempt_at": now,
        "deadline_at": now + TRIED_FOR,
        "finished_at": None,
        "updated_at": now,
    }
    await tx.execute(update(WebhookDelivery).where(WebhookDelivery.id == found.id).values(reopened))
    await tx.execute(update(Webhook).where(Webhook.id == found.webhook_id).values(due_at=now))
    await drive(tx, found.webhook_id)


async def _find_delivery(tx: Tx, owner: Owner, key: str) -> DeliveryView:
    delivery_id = as_uuid(key)
    statement = _deliveries(owner).where(WebhookDelivery.id == delivery_id)
    row = (await tx.execute(statement)).one_or_none() if delivery_id else None
    if row is None:
        raise NotFound("webhook delivery")
    return DeliveryView(*row)


def _deliveries(owner: Owner) -> Select[*tuple[Any, ...]]:
    own = (getattr(WebhookDelivery, name) for name in DeliveryView.__slots__[:9])
    return (
        select(*own, WebhookEvent.include, WebhookDelivery.webhook_id, Webhook.level)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(of_owner(owner))
    )


def _events(owner: Owner) -> Select[*tuple[Any, ...]]:
    own = (getattr(WebhookEvent, name) for name in EventView.__slots__)
    return select(*own).join(Webhook, Webhook.id == WebhookEvent.webhook_id).where(of_owner(owner))
