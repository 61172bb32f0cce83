"""`addons:destroy`: record the intent to deprovision. Billing stops and the config vars go at once; the provider is told
by the worker, for as long as it takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from broker.addons.attachment_facts import end_attachments
from broker.addons.config import take_from_apps
from broker.addons.intents import start_deprovision
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import Addon, AddonState, Attachment
from broker.addons.permits import require_payer
from broker.addons.queries import AddonView, get_addon
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.schedules import cancel_scheduled
from broker.addons.settle import transition, until_locked, with_locks
from broker.addons.trials import leave_trial
from broker.addons.wait import NO_WAIT, waiting
from broker.apps.destroy import destroy_app
from broker.apps.offers import withdraw
from broker.apps.releases import LockedApp
from broker.apps.resolve import AppView
from broker.apps.term_models import Transfer
from broker.billing.usage import end_period
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import new_id


async def destroy_addon(
    ctx: Context, actor: Actor, key: AddonKey, *, force: bool = False, wait: timedelta = NO_WAIT
) -> AddonView:
    """Begin to remove a visible add-on; repeating it is harmless.

    Transactions: one for the intent, committed before any wait.
    Raises: NotFound; InvalidParams while it is attached to other apps, unless `force`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    operation_id = new_id()
    async with waiting(ctx, operation_id, wait) as outcome:
        addon_id, started = await with_locks(ctx, lambda tx: record_removal(tx, ctx, actor, key, operation_id, force))
        if started:
            await outcome()
    async with ctx.database.transaction() as tx:
        return await get_addon(tx, addon_id)


async def record_removal(
    tx: Tx, ctx: Context, actor: Actor, key: AddonKey, operation_id: UUID, force: bool
) -> tuple[UUID, bool]:
    """Write the intent, in the caller's transaction; the add-on, and whether there is anything to do."""
    addon = await lock_visible_addon(tx, ctx, actor, key)
    if addon.state is AddonState.DEPROVISIONING:
        return addon.id, False
    if not addon.is_free:
        await require_payer(tx, actor, addon.app_id, "remove paid add-ons")
    if not force:
        _refuse_shared(addon)
    await begin_deprovision(tx, addon, operation_id, actor, ctx.clock.now())
    return addon.id, True


def _refuse_shared(addon: LockedAddon) -> None:
    others = sorted({app.name for app_id, app in addon.apps.items() if app_id != addon.app_id})
    if others:
        raise InvalidParams(
            f"{addon.name} is attached to other apps: {', '.join(others)}. Detach it there first, or use --force."
        )


async def begin_deprovision(tx: Tx, addon: LockedAddon, operation_id: UUID, actor: Actor, now: datetime) -> None:
    """Everything that is true at once when an add-on is destroyed. The locks are held; never commits."""
    given = addon.state is AddonState.PROVISIONED
    await transition(tx, addon, AddonState.DEPROVISIONING, now)
    await take_from_apps(tx, addon, addon.attachments, actor, now, release=given)
    await end_period(tx, addon.id, now)
    await leave_trial(tx, addon.id, now)
    await cancel_scheduled(tx, addon.id)
    await withdraw(tx, Transfer.addon_id == addon.id, now)
    await start_deprovision(tx, operation_id, addon.id, actor, now)
    await emit(tx, "addon.destroy_requested", actor, now, app_id=addon.app_id, addon_id=addon.id, plan=addon.plan_name)


async def destroy_app_with_addons(ctx: Context, actor: Actor, key: str) -> AppView:
    """Destroy an app, and begin to deprovision every add-on that it pays for; how the app looked before.

    Raises: NotFound, Forbidden.
    """

    async def before(tx: Tx, app: LockedApp) -> None:
        await release_app(tx, ctx, actor, app.id)

    return await until_locked(lambda: destroy_app(ctx, actor, key, before))


async def release_app(tx: Tx, ctx: Context, actor: Actor, app_id: UUID) -> None:
    """Before an app is destroyed: begin to deprovision every add-on that it pays for, and detach the others.

    Transactions: the caller's, with the app locked; never commits.
    """
    now = ctx.clock.now()
    for addon_id in await _paid_by(tx, app_id):
        addon = await lock_addon(tx, ctx, addon_id)
        if addon is not None and addon.state in (AddonState.PROVISIONING, AddonState.PROVISIONED):
            await begin_deprovision(tx, addon, new_id(), actor, now)
    await end_attachments(tx, actor, now, Attachment.app_id == app_id)


async def _paid_by(tx: Tx, app_id: UUID) -> list[UUID]:
    statement = select(Addon.id).where(Addon.app_id == app_id, Addon.state != AddonState.DEPROVISIONED)
    return list((await tx.execute(statement.order_by(Addon.id))).scalars())
