"""The application in a thread of its own, for tools that are not asynchronous."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from sqlalchemy.ext.asyncio import create_async_engine

from broker.addons.ports import Answer, Reply
from broker.app import create_app
from broker.kernel.context import Context
from broker.kernel.db import Database, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from tests.addons.conftest import make_world
from tests.domain import StoppedClock, new_user
from tests.engines import new_database
from tests.platform_api.conftest import settings, token_of


@dataclass(frozen=True)
class Address:
    """Where it listens, and the token of an account with the app `shop`."""

    url: str
    token: str


@pytest.fixture(scope="module")
def address(postgres_url: str, migrated_database: str, vault: Vault) -> Iterator[Address]:
    template = migrated_database.rsplit("/", 1)[1]
    with new_database(postgres_url, template) as url, _running(url, vault) as running:
        yield running


@contextmanager
def _running(database_url: str, vault: Vault) -> Iterator[Address]:
    ready, stop = threading.Event(), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    found: list[str] = []

    async def serve() -> None:
        database = Database(create_async_engine(async_url(database_url)))
        ctx = Context(database, StoppedClock(), vault, Signals(database_url))
        found.append(await _stock(ctx))
        config = uvicorn.Config(create_app(ctx, settings(rate_limit_per_hour=0)), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.should_exit = True
        await serving
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield Address(f"http://127.0.0.1:{listening.getsockname()[1]}", found[0])
    finally:
        stop.set()
        thread.join(30)


async def _stock(ctx: Context) -> str:
    """An account with an app, two releases and a provisioned add-on; its token."""
    user = await new_user(ctx, "alice@example.com")
    world = await make_world(ctx, user)
    await world.create(name="my-store")
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run()
    return await token_of(ctx, user)
