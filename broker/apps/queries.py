"""Listing apps and showing one."""

from __future__ import annotations

from broker.apps.models import App
from broker.apps.resolve import AppView, visible_app, visible_apps
from broker.kernel.context import Actor, Context, Scope


async def list_apps(ctx: Context, actor: Actor) -> list[AppView]:
    """Every app that the actor may see, oldest first.

    Raises: Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        return [AppView(*row) for row in await tx.execute(visible_apps(actor).order_by(App.created_at, App.id))]


async def get_app(ctx: Context, actor: Actor, key: str) -> AppView:
    """One app by name or id.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        return await visible_app(tx, actor, key)
