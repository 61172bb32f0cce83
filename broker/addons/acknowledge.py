"""Knowing that an app runs with its new credentials: when the last one does, the old ones are no longer needed."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, update

from broker.addons.generations import REVOKE
from broker.addons.models import Acknowledgement, Attachment, Rotation, RotationApp, RotationState
from broker.apps.release_history import ReleaseView, get_release
from broker.apps.resolve import changeable_app
from broker.events.models import DeliveryStatus, Level, Webhook, WebhookDelivery, WebhookEvent
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams
from broker.kernel.jobs import defer

SAID_BY_CLIENTS: Final = (Acknowledgement.API, Acknowledgement.RUN)

waited_for: Final = (
    exists()
    .where(
        RotationApp.rotation_id == Rotation.id,
        RotationApp.acknowledged_at.is_(None),
        Attachment.app_id == RotationApp.app_id,
        Attachment.addon_id == Rotation.addon_id,
    )
    .correlate(Rotation)
)
"""Whether some app that is still attached has not taken the credentials of a rotation."""


async def acknowledge(ctx: Context, actor: Actor, app: str, version: str, how: str) -> ReleaseView:
    """A visible app runs with a release, by its number or id. Saying it again changes nothing.

    Raises: NotFound, Forbidden; InvalidParams for a `how` that there is not.
    """
    actor.require(Scope.WRITE)
    if how not in SAID_BY_CLIENTS:
        raise InvalidParams(f"how: must be one of {', '.join(SAID_BY_CLIENTS)}.")
    release = await get_release(ctx, actor, app, version)
    async with ctx.database.transaction() as tx:
        found = await changeable_app(tx, actor, app)
        await acknowledge_release(tx, found.id, release.version, Acknowledgement(how), ctx.clock.now())
    return release


async def acknowledge_release(tx: Tx, app_id: UUID, version: int, how: Acknowledgement, at: datetime) -> None:
    """The app runs with this release or a later one, and so with everything that was released before.

    Transactions: the caller's; never commits. Whoever was the last to be waited for sets the revocation going.
    """
    taken = (
        update(RotationApp)
        .where(
            RotationApp.app_id == app_id,
            RotationApp.release_version <= version,
            RotationApp.acknowledged_at.is_(None),
            RotationApp.rotation_id == Rotation.id,
            Rotation.finished_at.is_(None),
        )
        .values(acknowledged_at=at, how=how)
        .returning(RotationApp.rotation_id)
    )
    rotations = set((await tx.execute(taken)).scalars())
    if not rotations:
        return
    done = (
        update(Rotation)
        .where(Rotation.id.in_(rotations), Rotation.state == RotationState.OVERLAP, ~waited_for)
        .values(next_at=at)
        .returning(Rotation.id, Rotation.attempts)
    )
    for rotation_id, attempts in (await tx.execute(done)).all():
        await defer(tx, REVOKE, {"rotation_id": str(rotation_id), "attempt": attempts})


async def acknowledge_told(tx: Tx, at: datetime) -> None:
    """Take note of the apps whose webhook, of level sync, has confirmed a release with new credentials.

    Those of level notify do not count: they tell people, who start nothing.
    """
    told = (
        update(RotationApp)
        .where(
            RotationApp.acknowledged_at.is_(None),
            Rotation.id == RotationApp.rotation_id,
            Rotation.state == RotationState.OVERLAP,
            Webhook.app_id == RotationApp.app_id,
            Webhook.level == Level.SYNC,
            WebhookEvent.webhook_id == Webhook.id,
            WebhookEvent.include == "api:release",
            WebhookEvent.created_at >= Rotation.issued_at,
            WebhookEvent.payload["data"]["version"] >= func.to_jsonb(RotationApp.release_version),
            WebhookDelivery.event_id == WebhookEvent.id,
            WebhookDelivery.status == DeliveryStatus.SUCCEEDED,
        )
        .values(acknowledged_at=at, how=Acknowledgement.WEBHOOK)
    )
    await tx.execute(told)
