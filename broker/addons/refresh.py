"""`addons:refresh`: ask the provider which config holds now, for when apps and provider do not agree any more."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from broker.addons.intents import start_operation
from broker.addons.models import OperationKind
from broker.addons.queries import AddonView, current_addon
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.rotate import CAPABILITY, check_capability, once_at_a_time
from broker.addons.wait import NO_WAIT, raise_failure, waiting
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.ids import new_id


async def refresh(ctx: Context, actor: Actor, key: AddonKey, *, wait: timedelta = NO_WAIT) -> AddonView:
    """Ask, and release the attached apps if the answer differs from what they have.

    Transactions: one for the intent, committed before any wait.
    Raises: NotFound, InvalidParams, Conflict; ProviderRefused or ProviderUnavailable if that is known within `wait`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    operation_id = new_id()

    async def record(tx: Tx) -> UUID:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        await check_capability(tx, addon, CAPABILITY)
        await start_operation(tx, operation_id, addon.id, OperationKind.REFRESH, actor, ctx.clock.now())
        return addon.id

    async with waiting(ctx, operation_id, wait) as outcome:
        addon_id = await once_at_a_time(ctx, record)
        await outcome()
    await raise_failure(ctx.database, operation_id)
    return await current_addon(ctx.database, addon_id)
