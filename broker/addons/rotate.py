"""`addons:rotate`: record the intent to change an add-on's credentials, of one add-on or of many.

The new ones come through `settle_rotation.py`; the old ones go through `revoke.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from broker.addons.generations import OVERLAP, begin_issuing
from broker.addons.intents import start_operation
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import Addon, AddonState, OperationKind, Rotation, RotationState
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.settle import with_locks
from broker.addons.visibility import changeable_addon
from broker.addons.wait import NO_WAIT, raise_failure, waiting
from broker.catalog.models import AddonService
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id

CAPABILITY: Final = "rotate"
LONGEST_OVERLAP: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Started:
    """What became of one add-on of many: its rotation, or why there is none."""

    addon_id: UUID
    addon_name: str
    service: str
    rotation_id: UUID | None
    refusal: str | None


async def rotate(
    ctx: Context, actor: Actor, key: AddonKey, *, overlap: timedelta = OVERLAP, wait: timedelta = NO_WAIT
) -> UUID:
    """Ask the provider for new credentials, beside which the old ones work for `overlap` at the most; the rotation's id.

    Without any overlap, the old ones are withdrawn as soon as the new ones are there, also those of an earlier rotation.

    Transactions: one for the intent, committed before any wait.
    Raises: NotFound, InvalidParams, Conflict; ProviderRefused or ProviderUnavailable if that is known within `wait`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise InvalidParams(f"overlap: at most {LONGEST_OVERLAP.days} days, and not less than nothing.")

    async def find(tx: Tx) -> LockedAddon:
        return await lock_visible_addon(tx, ctx, actor, key)

    return await _start(ctx, actor, find, overlap, wait)


async def rotate_all(
    ctx: Context, actor: Actor, service: str | None = None, *, everyone: bool = False, overlap: timedelta = OVERLAP
) -> list[Started]:
    """Begin to rotate every add-on of a service, or of all services: those of the actor, or `everyone`'s for an operator.

    Transactions: one per add-on, so that one refusal does not hold up the others; what became of each is told.
    Raises: NotFound if there is no such service, or for everyone's if the actor is no operator.
    """
    actor.require(Scope.WRITE_PROTECTED)
    if everyone:
        actor.require_operator()
    async with ctx.database.transaction() as tx:
        if service is not None and not await _is_service(tx, service):
            raise NotFound("add_on_service")
        statement = (
            select(Addon.id, Addon.name, AddonService.slug)
            .join(AddonService, AddonService.id == Addon.service_id)
            .where(Addon.state == AddonState.PROVISIONED)
            .order_by(Addon.created_at, Addon.id)
        )
        if service is not None:
            statement = statement.where(AddonService.slug == service)
        if not everyone:
            statement = statement.where(changeable_addon(actor))
        found = (await tx.execute(statement)).all()
    return [await _started(ctx, actor, addon_id, name, slug, overlap) for addon_id, name, slug in found]


async def _is_service(tx: Tx, slug: str) -> bool:
    return (await tx.execute(select(AddonService.id).where(AddonService.slug == slug))).scalar() is not None


async def _started(ctx: Context, actor: Actor, addon_id: UUID, name: str, slug: str, overlap: timedelta) -> Started:
    async def find(tx: Tx) -> LockedAddon:
        addon = await lock_addon(tx, ctx, addon_id)
        if addon is None:
            raise NotFound("add_on")
        return addon

    try:
        return Started(addon_id, name, slug, await _start(ctx, actor, find, overlap, NO_WAIT), None)
    except (Conflict, InvalidParams, NotFound) as refusal:
        return Started(addon_id, name, slug, None, refusal.message)


async def _start(
    ctx: Context, actor: Actor, find: Callable[[Tx], Awaitable[LockedAddon]], overlap: timedelta, wait: timedelta
) -> UUID:
    operation_id = new_id()

    async def record(tx: Tx) -> UUID:
        return await _record(tx, ctx, actor, await find(tx), operation_id, overlap)

    async with waiting(ctx, operation_id, wait) as outcome:
        rotation_id = await once_at_a_time(ctx, record)
        await outcome()
    await raise_failure(ctx.database, operation_id)
    return rotation_id


async def once_at_a_time(ctx: Context, record: Callable[[Tx], Awaitable[UUID]]) -> UUID:
    """Record an intent, unless another operation of the add-on is unfinished.

    Raises: Conflict, and what `record` raises.
    """
    try:
        return await with_locks(ctx, record)
    except IntegrityError as error:
        if "uq_operations_unfinished" not in str(error.orig):
            raise
        raise Conflict("Another change of this add-on is under way; wait for it with `addons:wait`.") from None


async def _record(
    tx: Tx, ctx: Context, actor: Actor, addon: LockedAddon, operation_id: UUID, overlap: timedelta
) -> UUID:
    now = ctx.clock.now()
    await check_capability(tx, addon, CAPABILITY)
    await _check_overlap(tx, addon, overlap)
    await start_operation(tx, operation_id, addon.id, OperationKind.ROTATE, actor, now)
    rotation_id = await begin_issuing(tx, addon, operation_id, actor, overlap, now)
    await emit(tx, "credentials.rotate_requested", actor, now, app_id=addon.app_id, addon_id=addon.id)
    return rotation_id


async def check_capability(
    tx: Tx, addon: LockedAddon, capability: str, lacking: str = "can't change its credentials on request"
) -> None:
    """Go on only if the add-on is in use and its provider has a capability, which is `lacking` otherwise.

    Raises: Conflict, InvalidParams.
    """
    if addon.state is not AddonState.PROVISIONED:
        raise Conflict(f"{addon.name} is {addon.state}; it has credentials once it is provisioned.")
    capabilities = select(AddonService.capabilities).where(AddonService.id == addon.service_id)
    if capability not in (await tx.execute(capabilities)).scalar_one():
        raise InvalidParams(f"{addon.service_name} {lacking}; look in its dashboard: `addons:open {addon.name}`.")


async def _check_overlap(tx: Tx, addon: LockedAddon, overlap: timedelta) -> None:
    """A further rotation would leave three generations at work; with no overlap, it ends the others."""
    open_ones = select(Rotation.revoke_at).where(
        Rotation.addon_id == addon.id,
        Rotation.by_provider.is_(False),
        Rotation.state.in_((RotationState.OVERLAP, RotationState.REVOKING)),
    )
    until: datetime | None = (await tx.execute(open_ones.limit(1))).scalar()
    if until is not None and overlap:
        raise Conflict(
            f"The last rotation of {addon.name} is not over: its old credentials work until {until:%Y-%m-%d %H:%M} UTC, or"
            " until every app has taken the new ones. To end them with one more rotation, use --revoke-now."
        )
