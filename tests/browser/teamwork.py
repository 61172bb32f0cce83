"""Teams of the one who looks: one of their own with people, an app and an invitation; one to look at; and one that asks."""

from __future__ import annotations

from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team
from broker.addons.create import CreateAddon, create_addon
from broker.addons.taken import reserved_names
from broker.apps.config_vars import set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.team_invitations import invite_to_team
from broker.apps.team_members import put_team_member
from broker.kernel.context import Actor, Context
from tests.browser.furniture import settled
from tests.domain import new_user

TEAM, APP, MATE = "moonlight", "moonlight-shop", "mate@example.com"
LOOKED_AT = "archive-reader"


async def team_up(ctx: Context, actor: Actor) -> None:
    """Make all of them."""
    mate = await new_user(ctx, MATE)
    await new_user(ctx, "books@example.com")
    await create_team(ctx, actor, TEAM)
    await put_team_member(ctx, actor, TEAM, MATE, TeamRole.ADMIN)
    await put_team_member(ctx, actor, TEAM, "books@example.com", TeamRole.BILLING)
    await put_team_member(ctx, actor, TEAM, "friend@example.com", TeamRole.MEMBER)
    await invite_to_team(ctx, actor, TEAM, "a.rather.long.name.indeed@mail.department.example.com", TeamRole.VIEWER)
    await create_app(ctx, actor, CreateApp(name=APP, team=TEAM))
    await settled(ctx, await create_addon(ctx, actor, CreateAddon(APP, "logstream:standard", "moon-logs")))
    await create_team(ctx, mate, "archive")
    await put_team_member(ctx, mate, "archive", actor.email, TeamRole.VIEWER)
    await create_app(ctx, mate, CreateApp(name=LOOKED_AT, team="archive", region="eu"))
    await set_config_vars(ctx, mate, LOOKED_AT, {"SECRET_SHELF": "behind the stove"}, reserved_names)
    await create_team(ctx, mate, "harvest")
    await invite_to_team(ctx, mate, "harvest", actor.email, TeamRole.BILLING)
