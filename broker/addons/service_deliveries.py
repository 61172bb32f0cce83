"""What the webhooks of a service's provider are told, over all add-ons of the service, and telling it once more.

Webhooks of add-ons are added by their provider alone; those of apps are their users' and are not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from broker.addons.models import Addon
from broker.catalog.members import Role, member_service
from broker.events.deliveries import DeliveryView, retry_delivery
from broker.events.models import DeliveryStatus, Webhook, WebhookDelivery, WebhookEvent
from broker.events.webhooks import Owner
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.parts import NEWEST, Part, bounded


@dataclass(frozen=True, slots=True)
class ServiceDelivery:
    """How telling one event went. Of the payload nothing is told, and of the address only where it leads: both may hold secrets."""

    id: UUID
    addon_id: UUID
    addon_name: str
    include: str
    place: str
    """Which host the webhook is at."""
    level: str
    status: str
    attempts: int
    answer: str
    """The status that the last attempt was answered with, or why there was none."""
    next_attempt_at: datetime | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


async def list_service_deliveries(
    ctx: Context, actor: Actor, slug: str, *, status: str = "", part: Part = NEWEST
) -> list[ServiceDelivery]:
    """What was told, the newest first unless another order is asked for, for any member of the service.

    Raises: NotFound; InvalidParams for a status that there is not.
    """
    if status and status not in tuple(DeliveryStatus):
        raise InvalidParams(f"status: must be one of {', '.join(DeliveryStatus)}.")
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = _deliveries(service.id)
        if status:
            wanted = wanted.where(WebhookDelivery.status == status)
        return [_told(row) for row in await tx.execute(bounded(wanted, WebhookDelivery.id, part))]


async def redeliver(ctx: Context, actor: Actor, slug: str, key: str) -> DeliveryView:
    """Tell it again, or at once instead of at its time, for owners and admins of the service.

    Transactions: one of its own, which calls nobody.
    Raises: NotFound, Forbidden; Conflict while an attempt is under way.
    """

    async def owner_of(tx: Tx) -> Owner:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        return Owner(addon_id=await _addon_of(tx, service.id, key))

    return await retry_delivery(ctx, actor, owner_of, key)


async def _addon_of(tx: Tx, service_id: UUID, key: str) -> UUID:
    found = _deliveries(service_id).where(WebhookDelivery.id == as_uuid(key))
    row = (await tx.execute(found)).one_or_none()
    if row is None:
        raise NotFound("webhook delivery")
    addon_id: UUID = row.addon_id
    return addon_id


def _deliveries(service_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            WebhookDelivery.id, Webhook.addon_id, Addon.name, WebhookEvent.include, Webhook.host, Webhook.level,
            WebhookDelivery.status, WebhookDelivery.num_attempts, WebhookDelivery.last_attempt,
            WebhookDelivery.next_attempt_at, Webhook.failing_since, WebhookDelivery.created_at,
            WebhookDelivery.updated_at,
        )
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .join(Addon, Addon.id == Webhook.addon_id)
        .where(Addon.service_id == service_id)
    )  # fmt: skip


def _told(row: Any) -> ServiceDelivery:
    last = row.last_attempt or {}
    answer = last.get("code") or last.get("error_class") or ""
    return ServiceDelivery(
        id=row.id,
        addon_id=row.addon_id,
        addon_name=row.name,
        include=row.include,
        place=row.host.removesuffix(":443"),
        level=row.level,
        status=row.status,
        attempts=row.num_attempts,
        answer=str(answer),
        next_attempt_at=row.next_attempt_at,
        failing_since=row.failing_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
