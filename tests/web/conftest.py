"""The application at its public address, and Alice's browser in a world of her own."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.addons.conftest import World, make_world
from tests.oauth.conftest import ISSUER, Browser, cookie_of, over_wire
from tests.platform_api.conftest import settings


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER))


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest.fixture
async def browser(app: FastAPI, world: World) -> AsyncIterator[Browser]:
    """Alice's, signed in."""
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(world.ctx, world.user, "test")))
        yield Browser(http)
