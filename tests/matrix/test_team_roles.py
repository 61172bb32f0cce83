"""What those of a team reach who may only look: every route is asked about the team's things, and none changes anything or tells
the value of a config var. Roles in general: tests/apps/test_teams.py; the other kinds of actors: test_matrix.py."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from structlog.testing import capture_logs

from broker.accounts.models import User
from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import TeamRole
from broker.apps.models import App
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.domain import SavepointDatabase, new_user
from tests.matrix.requests import BODIES, NAMES, instead
from tests.matrix.routes import Key, every_page, every_route
from tests.matrix.test_matrix import filled
from tests.matrix.world import World, prepared
from tests.oauth.conftest import fields_of
from tests.platform_api.conftest import client_of, token_of

pytestmark = pytest.mark.timeout(300)

CONCERNS_THE_TEAM = ("{app}", "{addon}", "{attachment}", "{team}", "{app_transfer}", "{addon_transfer}", "{payer}")
"""Parts of paths; bodies name the team's app `shop` and its add-on `my-store` where they name any."""
OTHERS = {"member": "alice@example.com", "person": "alice@example.com"}
"""Whom somebody else is to be removed as."""
ASKING = {
    ("POST", "/actions/addons/resolve"),
    ("POST", "/actions/addon-attachments/resolve"),
    ("PATCH", "/teams/apps/{app}/collaborators/{collaborator}"),
}
"""What changes nothing, whoever asks."""
FIELDS = {
    "name": "other-name", "to": "shop", "app": "shop", "plan": "store:big", "when": "now", "do": "install",
    "email": "new@example.com", "role": "viewer", "how": "invite", "kind": "app", "limit": "5", "at_limit": "refuse",
    "release": "1", "value": "v", "env": "A=1", "decision": "accept", "permission": "read_only", "region": "us", "old": "none",
}  # fmt: skip
"""What forms ask for: whoever only looks is refused whatever they send."""
CONFIRMED = {"{addon}": "my-store", "{team}": "acme", "": "shop"}
"""What has to be typed before something is destroyed, by what the path is about."""
OF_BILLING = ("/teams/{team}/budgets", "/teams/{team}/payment", "/teams/{team}/spending")
"""Forms about money, which are for that role."""
LOOKING = (TeamRole.VIEWER, TeamRole.BILLING)


def concerns_the_team(key: Key) -> bool:
    body = str(BODIES.get(key, ""))
    return any(part in key[1] for part in CONCERNS_THE_TEAM) or any(
        name in body for name in ("{app", "{addon", "'shop'", "'my-store'", "'acme'")
    )


async def test_who_only_looks_changes_nothing_anywhere_and_learns_no_value(ctx: Context) -> None:
    with capture_logs():  # a thousand requests have nothing to say
        async with prepared(ctx) as world:
            await given_to_team(ctx)
            routes = [key for key in sorted(every_route(world.app)) if concerns_the_team(key)]
            found = [f"{role} {wrong}" for role in LOOKING async for wrong in wrong_answers(ctx, world, role, routes)]
    assert not found, "\n".join(found)
    assert len(routes) > 100


async def wrong_answers(ctx: Context, world: World, role: TeamRole, routes: list[Key]) -> AsyncIterator[str]:
    """Changes that are made, and values that are told, by bearer token and in the browser's session."""
    assert isinstance(ctx.database, SavepointDatabase)
    who = await joined(ctx, role)
    async with client_of(world.app, await token_of(ctx, who)) as client:
        client.cookies["broker-session"] = (await begin_session(ctx, who, "a browser")).reveal()
        token = fields_of((await client.get("/account/security")).text)["form_token"]
        pages = every_page(world.app)
        for key in routes:
            (method, path), names = (
                key,
                NAMES | world.named | instead(key) | OTHERS | {"team_invitation": world.named["invitation"]},
            )
            sent: dict[str, Any] = {"json": filled(BODIES[key], names)} if key in BODIES else {}
            if key in pages and method != "GET":
                confirmed = next(name for part, name in CONFIRMED.items() if part in path)
                sent = {"data": {**FIELDS, "confirm": confirmed, "form_token": token}}
            async with nullcontext() if method == "GET" else ctx.database.undone():
                answer = await client.request(method, filled(path, names), **sent)
            if world.named["value"] in answer.text:
                yield f"{method} {path} tells a value"
            if role is TeamRole.BILLING and path.startswith(OF_BILLING):
                continue
            if method != "GET" and key not in ASKING and answer.status_code not in (401, 403, 404):
                yield f"{method} {path} answers {answer.status_code}: {answer.text[:100]}"


async def given_to_team(ctx: Context) -> None:
    """alice's apps are a team's from now on, and their add-ons with them."""
    async with ctx.database.transaction() as tx:
        ids = select(User.id).where(User.email == "alice@example.com").scalar_subquery()
        team = select(User.id).where(User.team_name == "acme").scalar_subquery()
        await tx.execute(update(App).where(App.owner_id == ids).values(owner_id=team))


async def joined(ctx: Context, role: TeamRole) -> Actor:
    """Somebody who is in the team in a role."""
    made, now = await new_user(ctx, f"{role}@example.com"), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team_id = (await tx.execute(select(User.id).where(User.team_name == "acme"))).scalar_one()
        row = {"team_id": team_id, "user_id": made.id, "role": role, "created_by": made.id}
        await tx.execute(insert(TeamMember).values(row | {"created_at": now, "updated_at": now}))
    return made
