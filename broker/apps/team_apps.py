"""Apps of teams: listing them, and giving an app to a team or taking one from it, at once and without an offer.

Creating one is `create.py`'s (`CreateApp.team`). What giving means for bills is told by `addons/teams.py`.
"""

from __future__ import annotations

from broker.accounts.emails import TEAM_DOMAIN
from broker.accounts.team_roles import WORKING
from broker.accounts.teams import keep_team, require_role, team_of
from broker.apps.collaborators import require_owner
from broker.apps.models import App
from broker.apps.payers import MoveBill
from broker.apps.people import Person
from broker.apps.resolve import AppView, lock_visible_app, visible_app, visible_apps
from broker.apps.transfers import change_owner
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams


async def list_team_apps(ctx: Context, actor: Actor, team_key: str) -> list[AppView]:
    """The apps of a team, oldest first, for anybody in it.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, team_key)
        owned = visible_apps(actor).where(App.owner_id == team.id).order_by(App.created_at, App.id)
        return [AppView(*row) for row in await tx.execute(owned)]


async def give_app(ctx: Context, actor: Actor, app_key: str, recipient: str, move_bill: MoveBill) -> AppView:
    """Have an app that the actor owns, alone or as one who runs its team, belong to a team that the actor works in, or to the
    actor. To others it is offered: `offer_app`.

    Transactions: one, with the app locked; `move_bill` may refuse.
    Raises: NotFound, Forbidden, InvalidParams; whatever `move_bill` raises.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await visible_app(tx, actor, app_key)
        require_owner(actor, view, "give it to somebody else")
        to = await _new_owner(tx, actor, recipient)
        if to.id == view.owner_id:
            raise InvalidParams(f"{view.name} belongs to {to.email} already.")
        view, app = await lock_visible_app(tx, ctx.vault, actor, str(view.id))
        require_owner(actor, view, "give it to somebody else")
        await change_owner(tx, actor, app, Person(view.owner_id, view.owner_email), to, move_bill, at)
        return await visible_app(tx, actor, str(app.id))


async def _new_owner(tx: Tx, actor: Actor, key: str) -> Person:
    """The actor, who is also `me`, or the team of this name, address or id, which stays until the transaction ends."""
    if key.casefold() in ("me", actor.email.casefold(), str(actor.id)):
        return Person(actor.id, actor.email)
    if "@" in key and not key.casefold().endswith(f"@{TEAM_DOMAIN}"):
        raise InvalidParams(f"{key} has to agree first: offer it, with `broker apps:transfer APP {key}`.")
    team = await team_of(tx, actor, key.partition("@")[0])
    require_role(team, "bring apps into it", WORKING)
    await keep_team(tx, team.id)
    return Person(team.id, team.email)
