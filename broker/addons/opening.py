"""From what a user asks to see to the visit that is meant: an add-on, the app it is opened from, a place in the dashboard."""

from __future__ import annotations

from broker.addons.dashboards import find_dashboard
from broker.addons.queries import attachment_on_app
from broker.addons.resolve import resolve_addons
from broker.addons.sso import refusals_recorded
from broker.addons.tickets import Visit
from broker.apps.queries import get_app
from broker.kernel.context import Actor, Context, Scope


async def visit_meant(ctx: Context, actor: Actor, key: str, app: str | None = None, path: str = "") -> Visit:
    """The actor's visit to the add-on that `key` stands for, from `app` or else from the billing app.

    Only for tokens that may do everything: to sign on is to be the user at the provider.

    Raises: Forbidden; NotFound; MultipleMatches with the names that fit.
    """
    actor.require(Scope.GLOBAL)
    [view] = await resolve_addons(ctx, actor, key, app)
    app_id = view.app_id if app is None else (await get_app(ctx, actor, app)).id
    return Visit(actor.id, view.id, app_id, path)


async def visit_by_attachment(ctx: Context, actor: Actor, app: str, key: str, path: str = "") -> Visit:
    """The actor's visit to the add-on behind an attachment of the app, by the attachment's name or id.

    Raises: Forbidden; NotFound.
    """
    actor.require(Scope.GLOBAL)
    app_id = (await get_app(ctx, actor, app)).id
    return Visit(actor.id, (await attachment_on_app(ctx, actor, app_id, key)).addon_id, app_id, path)


async def check_visit(ctx: Context, visit: Visit) -> None:
    """Make sure that the visit is possible now; that it is not is on record.

    Raises: NotFound, Conflict, InvalidParams as `find_dashboard` does.
    """
    async with refusals_recorded(ctx, visit), ctx.database.transaction() as tx:
        await find_dashboard(tx, visit)
