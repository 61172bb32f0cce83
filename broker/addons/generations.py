"""What becomes of an add-on's credentials when the provider has issued others: who has to take them, until when.

Called with the add-on locked; never commits. The old ones are withdrawn by `revoke.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update

from broker.addons.locks import LockedAddon
from broker.addons.models import Rotation, RotationApp, RotationState
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.jobs import defer

REVOKE: Final = "broker.revoke"
"""Name of the job that tries once to have the old credentials of a rotation withdrawn."""

OVERLAP: Final = timedelta(hours=2)
"""How long old credentials go on working at the most, if nothing else was asked for."""


async def begin_issuing(
    tx: Tx, addon: LockedAddon, operation_id: UUID, actor: Actor, overlap: timedelta, at: datetime
) -> UUID:
    """Record that new credentials are asked for; the rotation's id.

    The newest rotation is taken up again if it failed: the provider may have issued its credentials all the same, and
    gives them again for the same id.
    """
    begun = {
        "operation_id": operation_id,
        "state": RotationState.ISSUING,
        "overlap_s": int(overlap.total_seconds()),
        "actor_id": actor.id,
        "actor_email": actor.email,
        "created_at": at,
        "finished_at": None,
    }
    newest = (
        select(Rotation.id, Rotation.state)
        .where(Rotation.addon_id == addon.id, Rotation.by_provider.is_(False))
        .order_by(Rotation.created_at.desc(), Rotation.id.desc())
        .limit(1)
    )
    before = (await tx.execute(newest)).one_or_none()
    if before is not None and before.state == RotationState.FAILED:
        rotation_id: UUID = before.id
        await tx.execute(update(Rotation).where(Rotation.id == rotation_id).values(begun))
    else:
        rotation_id = new_id()
        new = begun | {"id": rotation_id, "addon_id": addon.id, "by_provider": False, "attempts": 0}
        await tx.execute(insert(Rotation).values(new))
    return rotation_id


async def issuing(tx: Tx, addon_id: UUID) -> UUID | None:
    """The rotation for which the provider is being asked, if there is one."""
    statement = select(Rotation.id).where(Rotation.addon_id == addon_id, Rotation.state == RotationState.ISSUING)
    return (await tx.execute(statement)).scalar_one_or_none()


async def issued(
    tx: Tx, addon: LockedAddon, rotation_id: UUID, releases: Mapping[UUID, int], actor: Actor, at: datetime
) -> None:
    """The new credentials are out, in these releases: from now on the apps are waited for, until the overlap ends."""
    overlap = select(Rotation.overlap_s).where(Rotation.id == rotation_id)
    until = at + timedelta(seconds=(await tx.execute(overlap)).scalar_one())
    generation = await generation_of(tx, addon.id) + 1
    await tx.execute(
        update(Rotation)
        .where(Rotation.id == rotation_id)
        .values(state=RotationState.OVERLAP, generation=generation, issued_at=at, revoke_at=until, next_at=until)
    )
    rows: list[dict[str, Any]] = [
        {"rotation_id": rotation_id, "app_id": app_id, "release_version": version}
        for app_id, version in releases.items()
    ]
    if rows:
        await tx.execute(insert(RotationApp), rows)
    if not rows or until == at:
        await defer(tx, REVOKE, {"rotation_id": str(rotation_id), "attempt": 0})
    await emit(
        tx, "credentials.rotated", actor, at, app_id=addon.app_id, addon_id=addon.id,
        generation=generation, overlap_until=until.isoformat(),
    )  # fmt: skip


async def record_new_config(
    tx: Tx,
    addon: LockedAddon,
    releases: Mapping[UUID, int],
    at: datetime,
    *,
    operation_id: UUID | None = None,
    overlap: timedelta = OVERLAP,
) -> None:
    """The provider has sent new config by itself: a generation like any other."""
    rotation_id = new_id()
    new = {
        "id": rotation_id,
        "addon_id": addon.id,
        "operation_id": operation_id,
        "state": RotationState.ISSUING,
        "by_provider": True,
        "overlap_s": int(overlap.total_seconds()),
        "attempts": 0,
        "actor_id": SYSTEM.id,
        "actor_email": SYSTEM.email,
        "created_at": at,
    }
    await tx.execute(insert(Rotation).values(new))
    await issued(tx, addon, rotation_id, releases, SYSTEM, at)


async def generation_of(tx: Tx, addon_id: UUID) -> int:
    """The generation of the credentials that hold now; 1 are those of the provision."""
    newest = select(func.coalesce(func.max(Rotation.generation), 1)).where(Rotation.addon_id == addon_id)
    return (await tx.execute(newest)).scalar_one() or 1
