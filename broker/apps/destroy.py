"""Destroying an app. Its data key goes, and with it every value that was ever sealed for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from sqlalchemy import delete, update

from broker.apps.collaborators import require_owner
from broker.apps.models import App, ConfigVar
from broker.apps.offers import withdraw_offers
from broker.apps.payers import end_standing
from broker.apps.releases import LockedApp
from broker.apps.resolve import AppView, lock_visible_app
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx

BeforeDestroy: TypeAlias = Callable[[Tx, LockedApp], Awaitable[None]]
"""What must happen to an app's add-ons first; may refuse. Known to `addons`, which is above us."""


async def destroy_app(ctx: Context, actor: Actor, key: str, before: BeforeDestroy) -> AppView:
    """Destroy an app and free its name; how it looked before.

    Transactions: one of its own, in which `before` runs with the app locked.
    Raises: NotFound, Forbidden, and whatever `before` raises.
    """
    actor.require(Scope.WRITE)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view, app = await lock_visible_app(tx, ctx.vault, actor, key)
        require_owner(actor, view, "destroy it")
        await before(tx, app)
        await tx.execute(delete(ConfigVar).where(ConfigVar.app_id == app.id))
        await end_standing(tx, app.id, at)
        await withdraw_offers(tx, app.id, at)
        gone = update(App).where(App.id == app.id)
        await tx.execute(gone.values(destroyed_at=at, updated_at=at, data_key=None))
        await emit(tx, "app.destroyed", actor, at, app_id=app.id, name=app.name)
        return view
