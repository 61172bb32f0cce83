"""The application behind a real HTTP server, for clients that bring their own HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio
import uvicorn

from broker.app import create_app
from broker.kernel.context import Context
from tests.addons.conftest import World, make_world
from tests.domain import new_user
from tests.platform_api.conftest import settings, token_of


@dataclass(frozen=True)
class Server:
    """Where it listens, with alice's token and her app `shop`."""

    url: str
    token: str
    world: World


@pytest_asyncio.fixture
async def server(live_ctx: Context) -> AsyncIterator[Server]:
    alice = await new_user(live_ctx, "alice@example.com")
    await new_user(live_ctx, "bob@example.com")
    world, token = await make_world(live_ctx, alice), await token_of(live_ctx, alice)
    listening = socket.create_server(("127.0.0.1", 0))  # who connects before the server runs waits in the backlog
    config = uvicorn.Config(create_app(live_ctx, settings()), log_config=None, lifespan="off")
    running = uvicorn.Server(config)
    serving = asyncio.create_task(running.serve(sockets=[listening]))
    yield Server(f"http://127.0.0.1:{listening.getsockname()[1]}", token, world)
    running.should_exit = True
    await serving
