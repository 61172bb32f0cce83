"""Who may do what: every route asked by every kind of actor, against one table. A route without a row fails."""

import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount
from structlog.testing import capture_logs

from broker.app import create_app
from broker.kernel.context import Context
from tests.domain import SavepointDatabase
from tests.matrix.requests import BODIES, NAMES, instead
from tests.matrix.routes import Key, every_route
from tests.matrix.table import ACTORS, FILE, Row, expected, head
from tests.matrix.world import World, prepared
from tests.platform_api.conftest import settings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def world(ctx: Context) -> AsyncIterator[World]:
    with capture_logs():  # three thousand requests have nothing to say
        async with prepared(ctx) as made:
            yield made


def filled(value: Any, names: dict[str, str]) -> Any:
    """The same with names instead of braces."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return re.sub(r"{(\w+)}", lambda found: filled(names[found[1]], names), value) if isinstance(value, str) else value


async def answered(world: World, ctx: Context, key: Key, actor: str) -> str:
    """The answer to one request, which leaves no trace. One that tells what the actor must not know is no success."""
    assert isinstance(ctx.database, SavepointDatabase)
    names = NAMES | world.named | instead(key)
    method, path = key
    sent = {"json": filled(BODIES[key], names)} if key in BODIES else {}
    async with nullcontext() if method == "GET" else ctx.database.undone():
        answer = await world.clients[actor].request(method, filled(path, names), **sent)
    if not answer.is_success:
        return str(answer.status_code)
    return "LEAK" if any(word in answer.text for word in world.hidden_from(actor)) else "ok"


async def actual(world: World, ctx: Context, key: Key) -> Row:
    return Row(key, tuple([await answered(world, ctx, key, actor) for actor in ACTORS]))


async def test_every_route_answers_every_actor_as_the_table_says(ctx: Context, world: World) -> None:
    table, routes = expected(), every_route(world.app)
    assert set(table) - routes == set(), "these rows have no route any more"
    rows = [await actual(world, ctx, key) for key in sorted(routes, key=lambda key: key[::-1])]
    wrong = [
        f"expected {table.get(row.key, 'a row: decide')}\nanswered {row}" for row in rows if table.get(row.key) != row
    ]
    assert not wrong, "\n".join([f"{FILE.name} and the routes differ", f"         {head()}", *wrong])


async def test_what_is_hidden_from_others_is_what_the_owner_is_told(world: World) -> None:
    """So that a leak would be noticed."""
    parts = ("/config-vars", "/webhooks", "/webhook-deliveries")
    paths = ("/addon-attachments", "/oauth/authorizations", "/oauth/sessions", "/oauth/clients")
    told = [
        (await world.clients["owner"].get(path)).text for path in (*paths, *(f"/apps/shop{part}" for part in parts))
    ]
    assert [word for word in world.hidden_from("strang") if not any(word in text for text in told)] == []


async def test_a_route_without_a_row_does_not_escape(ctx: Context) -> None:
    """Wherever it is added: to the application itself, by a router, by something mounted, for providers alone."""

    async def new() -> None: ...

    app, router, mounted = create_app(ctx, settings()), APIRouter(prefix="/by"), FastAPI(openapi_url=None)
    app.add_api_route("/itself", new)
    router.add_api_route("/router/{id:path}", new, methods=["PUT"])
    app.include_router(router, prefix="/far")
    mounted.add_api_route("/inside", new)
    app.router.routes.append(Mount("/mounted", mounted))
    app.state.partners.add_api_route("/for/providers", new)
    assert every_route(app) - set(expected()) == {
        ("GET", "/itself"),
        ("PUT", "/far/by/router/{id}"),
        ("GET", "/mounted/inside"),
        ("GET", "/for/providers"),
    }
