"""`addons:forget`: let go of an add-on without its provider, which is gone or does not answer. For operators.

Another verb than destroy: no provider is called here, and what may be left is the orphan ledger's business.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select

from broker.addons.config import take_from_apps
from broker.addons.intents import CALL_BOUND, supersede
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import Addon, AddonConfig, AddonState
from broker.addons.orphans import checked_reason, record_orphan
from broker.addons.queries import AddonView, get_addon
from broker.addons.schedules import cancel_scheduled
from broker.addons.settle import transition, with_locks
from broker.addons.trials import leave_trial
from broker.billing.usage import end_period
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid


async def forget_addon(ctx: Context, actor: Actor, key: str, reason: str) -> AddonView:
    """End an add-on of anybody, by name or id, in whatever state it is: at once, here alone.

    Transactions: one. Its operation is overtaken, its config vars go, billing ends, and an orphan is written.
    Raises: NotFound if there is none, and for everybody but operators; InvalidParams without a reason.
    """
    actor.require_operator()
    said = checked_reason(reason)

    async def body(tx: Tx) -> AddonView:
        addon = await _locked(tx, ctx, key)
        await _forget(tx, addon, said, actor, ctx.clock.now())
        return await get_addon(tx, addon.id)

    return await with_locks(ctx, body)


async def _locked(tx: Tx, ctx: Context, key: str) -> LockedAddon:
    addon_id = await _id(tx, key)
    addon = await lock_addon(tx, ctx, addon_id) if addon_id else None
    if addon is None or addon.state is AddonState.DEPROVISIONED:
        raise NotFound("add_on")
    return addon


async def _id(tx: Tx, key: str) -> UUID | None:
    if not key.isprintable():
        return None
    named = or_(Addon.name == key, Addon.id == as_uuid(key))
    found = select(Addon.id).where(named, Addon.state != AddonState.DEPROVISIONED)
    return (await tx.execute(found)).scalar_one_or_none()


async def _forget(tx: Tx, addon: LockedAddon, reason: str, actor: Actor, now: datetime) -> None:
    told = f"Forgotten by an operator: {reason}"
    overtaken = await supersede(tx, addon.id, told, now)
    given = addon.state is AddonState.PROVISIONED
    await take_from_apps(tx, addon, addon.attachments, actor, now, release=given)
    await end_period(tx, addon.id, now)
    await leave_trial(tx, addon.id, now)
    await cancel_scheduled(tx, addon.id)
    await tx.execute(delete(AddonConfig).where(AddonConfig.addon_id == addon.id))
    if given:
        await transition(tx, addon, AddonState.DEPROVISIONING, now)
        addon = replace(addon, state=AddonState.DEPROVISIONING)
    await transition(tx, addon, AddonState.DEPROVISIONED, now, reason=told)
    first_try = now + CALL_BOUND if overtaken.under_way else now
    await record_orphan(tx, addon, None, f"forgotten: {reason}", now, first_try=first_try)
    await emit(
        tx, "addon.forgotten", actor, now, app_id=addon.app_id, addon_id=addon.id, plan=addon.plan_name, reason=reason
    )
