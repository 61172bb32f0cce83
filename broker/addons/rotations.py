"""Reading rotations: which credentials an add-on has had, how old they are, and who has not taken the new ones yet.

Ending an overlap early is here too, being no more than an earlier deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from broker.addons.generations import REVOKE, generation_of
from broker.addons.models import Addon, Rotation, RotationApp, RotationState
from broker.addons.resolve import AddonKey, changeable_addon, visible_addon
from broker.apps.models import App
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict
from broker.kernel.jobs import defer


@dataclass(frozen=True, slots=True)
class RotationAppView:
    """An app that got new credentials in a release, and since when it is known to run with them."""

    app_id: UUID
    app_name: str
    release_version: int
    acknowledged_at: datetime | None
    how: str | None


@dataclass(frozen=True, slots=True)
class RotationView:
    """One change of credentials. Without `issued_at` there are no new ones; without `finished_at` the old ones may work."""

    id: UUID
    addon_id: UUID
    addon_name: str
    operation_id: UUID | None
    generation: int | None
    state: str
    by_provider: bool
    actor_email: str
    revoke_at: datetime | None
    attempts: int
    next_at: datetime | None
    last_answer: str | None
    created_at: datetime
    issued_at: datetime | None
    finished_at: datetime | None
    apps: tuple[RotationAppView, ...]


@dataclass(frozen=True, slots=True)
class CredentialsView:
    """The credentials that hold now: their generation, counted from 1, and since when."""

    addon_id: UUID
    addon_name: str
    generation: int
    rotated_at: datetime
    old_until: datetime | None
    """Until when older ones work at the most; None if there are none."""


async def list_rotations(ctx: Context, actor: Actor, key: AddonKey) -> list[RotationView]:
    """The rotations of a visible add-on, newest first.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        addon = await visible_addon(tx, actor, key)
        return await _views(tx, addon.id)


async def get_rotation(ctx: Context, rotation_id: UUID) -> RotationView:
    """The rotation with this id, for a use case that has checked who asks."""
    async with ctx.database.transaction() as tx:
        addon_id = (await tx.execute(select(Rotation.addon_id).where(Rotation.id == rotation_id))).scalar_one()
        return next(view for view in await _views(tx, addon_id) if view.id == rotation_id)


async def get_credentials(ctx: Context, actor: Actor, key: AddonKey) -> CredentialsView:
    """What is to be known of the credentials of a visible add-on without knowing them.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        addon = await visible_addon(tx, actor, key)
        views = await _views(tx, addon.id)
        created = (await tx.execute(select(Addon.created_at).where(Addon.id == addon.id))).scalar_one()
        rotated = max((view.issued_at for view in views if view.issued_at), default=created)
        overlaps = [view.revoke_at for view in views if view.revoke_at and view.finished_at is None]
        generation = await generation_of(tx, addon.id)
        return CredentialsView(addon.id, addon.name, generation, rotated, max(overlaps, default=None))


async def end_overlap(ctx: Context, actor: Actor, key: AddonKey) -> list[RotationView]:
    """Have the old credentials withdrawn now, whoever still uses them; the rotations of the add-on.

    Raises: NotFound, Forbidden; Conflict if there are no old ones.
    """
    actor.require(Scope.WRITE_PROTECTED)
    async with ctx.database.transaction() as tx:
        addon, now = await changeable_addon(tx, actor, key), ctx.clock.now()
        over = (
            update(Rotation)
            .where(Rotation.addon_id == addon.id, Rotation.state.in_((RotationState.OVERLAP, RotationState.REVOKING)))
            .values(revoke_at=now, next_at=now)
            .returning(Rotation.id, Rotation.attempts)
        )
        ended = (await tx.execute(over)).all()
        if not ended:
            raise Conflict(f"{addon.name} has no old credentials.")
        for rotation_id, attempts in ended:
            await defer(tx, REVOKE, {"rotation_id": str(rotation_id), "attempt": attempts})
        return await _views(tx, addon.id)


async def _views(tx: Tx, addon_id: UUID) -> list[RotationView]:
    statement = (
        select(
            Rotation.id, Rotation.addon_id, Addon.name, Rotation.operation_id, Rotation.generation, Rotation.state,
            Rotation.by_provider, Rotation.actor_email, Rotation.revoke_at, Rotation.attempts, Rotation.next_at,
            Rotation.last_answer, Rotation.created_at, Rotation.issued_at, Rotation.finished_at,
        )
        .join(Addon, Addon.id == Rotation.addon_id)
        .where(Rotation.addon_id == addon_id)
        .order_by(Rotation.created_at.desc(), Rotation.id.desc())
    )  # fmt: skip
    apps = await _apps(tx, addon_id)
    rows: list[Any] = list((await tx.execute(statement)).all())
    names = RotationView.__slots__[:-1]
    return [RotationView(**dict(zip(names, row, strict=True)), apps=tuple(apps.get(row.id, ()))) for row in rows]


async def _apps(tx: Tx, addon_id: UUID) -> dict[UUID, list[RotationAppView]]:
    statement = (
        select(
            RotationApp.rotation_id, RotationApp.app_id, App.name, RotationApp.release_version,
            RotationApp.acknowledged_at, RotationApp.how,
        )
        .join(App, App.id == RotationApp.app_id)
        .join(Rotation, Rotation.id == RotationApp.rotation_id)
        .where(Rotation.addon_id == addon_id)
        .order_by(App.name)
    )  # fmt: skip
    found: dict[UUID, list[RotationAppView]] = {}
    for rotation_id, app_id, name, version, at, how in (await tx.execute(statement)).all():
        found.setdefault(rotation_id, []).append(RotationAppView(app_id, name, version, at, how))
    return found
