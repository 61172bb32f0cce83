"""How many statements a page runs: as many for a long list as for a short one."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from broker.app import create_app
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.addons.conftest import World, make_world
from tests.catalog.shelf import manifest, stock
from tests.oauth.conftest import ISSUER, cookie_of, over_wire
from tests.platform_api.conftest import settings

PUBLIC = (
    "/",
    "/search",
    "/search?q=postgres",
    "/search?q=postgrse&free=1",
    "/categories/caching",
    "/marketplace/quick-cache",
)
INSIDE = ("/dashboard", "/dashboard/apps/shop", "/dashboard/apps/shop/settings")
MOST = 10


@pytest.fixture
async def browser(ctx: Context, alice: Actor) -> AsyncIterator[tuple[httpx.AsyncClient, World]]:
    world = await make_world(ctx, alice)
    async with over_wire(create_app(ctx, settings(public_url=ISSUER))) as http:
        http.cookies.update(cookie_of(await begin_session(ctx, alice, "test")))
        yield http, world


@asynccontextmanager
async def counting(ctx: Context) -> AsyncIterator[list[str]]:
    """The statements meanwhile: those that SQLAlchemy runs, and those that are given to the driver."""
    seen: list[str] = []

    def by_sqlalchemy(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    engine = ctx.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", by_sqlalchemy)
    async with ctx.database.reading() as driver:
        with driver.query_logger(lambda query: seen.append(query.query)):
            yield seen
    event.remove(engine, "before_cursor_execute", by_sqlalchemy)


async def statements(ctx: Context, http: httpx.AsyncClient) -> Counter[str]:
    """By page, when everything that is kept has been looked up."""
    found: Counter[str] = Counter()
    for page in (*PUBLIC, *INSIDE):
        for _ in range(2):
            async with counting(ctx) as seen:
                assert (await http.get(page)).status_code == 200
        found[page] = sum("SAVEPOINT" not in statement for statement in seen)
    return found


async def test_a_page_runs_no_more_statements_for_more_of_what_it_shows(
    browser: tuple[httpx.AsyncClient, World],
) -> None:
    http, world = browser
    ctx = world.ctx
    await stock(ctx)
    await world.provisioned()
    few = await statements(ctx, http)
    for number in range(5):
        await world.provisioned()
        await make_app(ctx, world.user, CreateApp(f"other-{number}"))
        await stock(ctx, manifest(f"pg-{number}", "Postgres", "Free postgres"))
    assert await statements(ctx, http) == few
    assert {page: number for page, number in few.items() if not 1 <= number <= MOST} == {}
