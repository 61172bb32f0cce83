"""`addons:suspend`, `addons:resume`: operators take add-ons out of use through no fault of their users. Nothing is charged meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from broker.addons.models import Addon, AddonState, Suspension
from broker.addons.suspension import resume_addons, suspend_addons
from broker.catalog.models import AddonService
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid

_LONGEST_REASON = 300


async def suspend_unbilled(
    ctx: Context, actor: Actor, reason: str, *, addon: str | None = None, service: str | None = None
) -> int:
    """Suspend one add-on of anybody, or all of a service; how many. Repeating it is harmless.

    Transactions: one for all that meet on some app.
    Raises: NotFound, also for everybody but operators; InvalidParams without a reason; Conflict for one that can't be.
    """
    actor.require_operator()
    said = " ".join(reason.split())
    if not said or len(said) > _LONGEST_REASON:
        raise InvalidParams(f"reason: say why, in at most {_LONGEST_REASON} characters; its users are shown it.")
    ids = await _meant(ctx, addon, service)
    return await suspend_addons(ctx, ids, Suspension.UNBILLED, actor, reason=said)


async def resume_unbilled(ctx: Context, actor: Actor, *, addon: str | None = None, service: str | None = None) -> int:
    """End such suspensions; how many. What is not paid for is suspended for that then.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    return await resume_addons(ctx, await _meant(ctx, addon, service), Suspension.UNBILLED, actor)


async def _meant(ctx: Context, addon: str | None, service: str | None) -> Sequence[UUID]:
    if (addon is None) == (service is None):
        raise InvalidParams("Name an add-on or a service.")
    async with ctx.database.transaction() as tx:
        if service is not None:
            service_id = (await tx.execute(select(AddonService.id).where(AddonService.slug == service))).scalar()
            if service_id is None:
                raise NotFound("add_on_service")
            which: ColumnElement[bool] = Addon.service_id == service_id
            in_use = select(Addon.id).where(which, Addon.state == AddonState.PROVISIONED)
            return list((await tx.execute(in_use.order_by(Addon.id))).scalars())
        named = or_(Addon.name == addon, Addon.id == as_uuid(addon or ""))
        found = select(Addon.id, Addon.name, Addon.state).where(named, Addon.state != AddonState.DEPROVISIONED)
        row = (await tx.execute(found)).one_or_none()
    if row is None:
        raise NotFound("add_on")
    if row.state != AddonState.PROVISIONED:
        raise Conflict(f"{row.name} is {row.state}: only what is in use can be suspended or resumed.")
    return [row.id]
