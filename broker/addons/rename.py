"""`addons:rename`: another name for the same add-on. Its id, which the provider knows, stays."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from broker.addons.models import Addon
from broker.addons.names import checked_addon_name
from broker.addons.queries import AddonView, get_addon
from broker.addons.resolve import AddonKey, changeable_addon
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NameTaken


async def rename_addon(ctx: Context, actor: Actor, key: AddonKey, name: str) -> AddonView:
    """Rename a visible add-on.

    Raises: NotFound, InvalidParams, NameTaken, Forbidden.
    """
    actor.require(Scope.WRITE)
    checked_addon_name(name)
    now = ctx.clock.now()
    try:
        async with ctx.database.transaction() as tx:
            addon = await changeable_addon(tx, actor, key)
            await tx.execute(update(Addon).where(Addon.id == addon.id).values(name=name, updated_at=now))
            await emit(
                tx, "addon.renamed", actor, now, app_id=addon.app_id, addon_id=addon.id,
                before=addon.name, after=name, state=addon.state,
            )  # fmt: skip
            return await get_addon(tx, addon.id)
    except IntegrityError:
        raise NameTaken from None
