"""`addons:downgrade --at-period-end`: scheduling a plan change for the end of the month, and doing it when that has come.

What is scheduled is checked when it is asked for, and again when it is done: then it is a plan change like any other.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from broker.accounts.models import User
from broker.addons.change_plan import begin_plan_change, check_cost, check_plan_change
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import AddonState
from broker.addons.permits import require_payer
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.schedules import Scheduled, cancel_scheduled, put_scheduled, scheduled_of
from broker.addons.settle import with_locks
from broker.addons.term_models import ScheduledChange
from broker.apps.collaborators import role_of
from broker.apps.models import App
from broker.apps.visibility import Role
from broker.billing.history import account_of
from broker.billing.months import month_of
from broker.catalog.manifest_meters import is_priced
from broker.catalog.queries import get_plan
from broker.catalog.views import PlanView
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BrokerError, Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.notices.outbox import notify

_AT_ONCE: Final = 50
_log = structlog.get_logger()


async def schedule_plan_change(ctx: Context, actor: Actor, key: AddonKey, plan: str) -> Scheduled:
    """Have an add-on change its plan at the end of the month of whoever pays; what was scheduled before is forgotten.

    Transactions: one. Raises: NotFound, Forbidden, InvalidParams, Conflict, PaymentRequired.
    """
    actor.require(Scope.WRITE_PROTECTED)
    now = ctx.clock.now()

    async def schedule(tx: Tx) -> Scheduled:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        target = await check_plan_change(tx, ctx, actor, addon, plan)
        if target.id == addon.plan_id:
            raise InvalidParams(
                f"{addon.name} is on {target.name} already. `broker addons:unschedule` forgets a change."
            )
        at = await period_end(tx, addon, now)
        await put_scheduled(tx, addon.id, target.id, at, actor, now)
        await emit(
            tx, "addon.plan_change_scheduled", actor, now, app_id=addon.app_id, addon_id=addon.id,
            after=target.name, effective_at=rfc3339(at),
        )  # fmt: skip
        return (await scheduled_of(tx, [addon.id]))[addon.id]

    return await with_locks(ctx, schedule)


async def period_end(tx: Tx, addon: LockedAddon, now: datetime) -> datetime:
    """When the month ends for whoever pays for the add-on."""
    assert addon.payer_id is not None, "visible add-ons are billed to a live app"
    _, zone = await account_of(tx, addon.payer_id)
    return month_of(now, zone).end


async def unschedule_plan_change(ctx: Context, actor: Actor, key: AddonKey) -> Scheduled:
    """Forget the scheduled plan change of an add-on; which one it was.

    Transactions: one. Raises: NotFound, Forbidden.
    """
    actor.require(Scope.WRITE_PROTECTED)

    async def forget(tx: Tx) -> Scheduled:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        found = (await scheduled_of(tx, [addon.id])).get(addon.id)
        if found is None:
            raise NotFound("scheduled_change", f"No plan change of {addon.name} is scheduled.")
        if not (addon.is_free and (await get_plan(tx, found.plan_id)).is_free):
            await require_payer(tx, actor, addon.app_id, "change paid plans")
        await cancel_scheduled(tx, addon.id)
        await emit(
            tx, "addon.plan_change_unscheduled", actor, ctx.clock.now(), app_id=addon.app_id, addon_id=addon.id,
            after=found.plan,
        )  # fmt: skip
        return found

    return await with_locks(ctx, forget)


async def begin_scheduled(ctx: Context) -> int:
    """Begin the plan changes whose time has come; how many were looked at. Part of the sweep."""
    looked_at, after = 0, None
    while found := await _due(ctx, after):
        for addon_id in found:
            try:
                await with_locks(ctx, partial(_begin, ctx, addon_id))
            except IntegrityError as error:  # something else is under way: it is this one's turn later
                if "uq_operations_unfinished" not in str(error.orig):
                    raise
                _log.info("scheduled_change.waits", addon=str(addon_id))
        looked_at, after = looked_at + len(found), found[-1]
    return looked_at


async def _due(ctx: Context, after: UUID | None) -> list[UUID]:
    """Some of the add-ons whose change is due, by id: those that are busy keep no others back."""
    due = select(ScheduledChange.addon_id).where(ScheduledChange.effective_at <= ctx.clock.now())
    due = due.order_by(ScheduledChange.addon_id).limit(_AT_ONCE)
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(due if after is None else due.where(ScheduledChange.addon_id > after))).scalars())


async def _begin(ctx: Context, addon_id: UUID, tx: Tx) -> None:
    addon = await lock_addon(tx, ctx, addon_id)
    row = (
        await tx.execute(select(ScheduledChange.__table__).where(ScheduledChange.addon_id == addon_id))
    ).one_or_none()
    now = ctx.clock.now()
    if row is None or row.effective_at > now:
        return
    await cancel_scheduled(tx, addon_id)
    if addon is None or addon.state is not AddonState.PROVISIONED:
        return
    actor = await _answerable(tx, addon, row)
    try:
        async with tx.begin_nested():
            target = await check_plan_change(tx, ctx, actor, addon, str(row.plan_id))
            if row.actor_id != actor.id and _costs_more(addon, target):
                raise Conflict("It was scheduled by whoever had the app before, and costs more.")
            await check_cost(tx, ctx, actor, addon, target)
    except BrokerError as refusal:
        await _given_up(tx, addon, actor, row, refusal.message, now)
        return
    if target.id != addon.plan_id:
        await begin_plan_change(tx, ctx, actor, addon, target, new_id())


def _costs_more(addon: LockedAddon, target: PlanView) -> bool:
    return target.price_cents > addon.price_cents or any(map(is_priced, target.meters))


async def _answerable(tx: Tx, addon: LockedAddon, row: Any) -> Actor:
    """Whoever has scheduled it, where they still own the app or run its team; else its owner: it may have been given to somebody
    else, who agreed to what it cost then.
    """
    asked = Actor(row.actor_id, row.actor_email, frozenset({Scope.WRITE_PROTECTED}), row.authorization_id)
    if await role_of(tx, asked, addon.app_id) is Role.OWNER:
        return asked
    owned = select(User.id, User.email).join(App, App.owner_id == User.id).where(App.id == addon.app_id)
    owner_id, email = (await tx.execute(owned)).one()
    return Actor(owner_id, email, frozenset({Scope.WRITE_PROTECTED}))


async def _given_up(tx: Tx, addon: LockedAddon, actor: Actor, row: Any, reason: str, now: datetime) -> None:
    plan = (await get_plan(tx, row.plan_id)).name
    await emit(
        tx, "addon.plan_change_failed", actor, now, app_id=addon.app_id, addon_id=addon.id,
        reason=f"The scheduled change to {plan} was not made: {reason}",
    )  # fmt: skip
    facts = {"addon": addon.name, "plan": plan, "reason": reason}
    await notify(
        tx, actor.id, "plan_change.refused", facts, now, key=f"plan_change.refused:{addon.id}:{now.isoformat()}"
    )
