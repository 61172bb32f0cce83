"""The stocked shop behind a real HTTP server in a thread of its own, for clients that bring their own HTTP or none at all."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from sqlalchemy.ext.asyncio import create_async_engine

from broker.addons.advance import advance
from broker.app import create_app
from broker.kernel.context import Context
from broker.kernel.db import Database, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from embedded.processes import LOOPBACK, free_port
from tests.addons.conftest import World, done
from tests.domain import StoppedClock, new_user
from tests.platform_api.conftest import settings, token_of
from tests.wire.conftest import stocked

_STEP_S = 0.02


@dataclass
class Served:
    """Where it listens, alice's token, and the ids of what is in her shop."""

    url: str
    port: int
    token: str
    ids: dict[str, str]


@contextmanager
def served(database_url: str, vault: Vault) -> Iterator[Served]:
    """Serve until the block is left. There is a worker, and its provider answers every call at once."""
    up: Future[tuple[Served, uvicorn.Server]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(database_url, vault, up)), name="served")
    thread.start()
    try:
        shop, server = up.result(30)
        yield shop
        server.should_exit = True
    finally:
        thread.join(15)


async def _serve(database_url: str, vault: Vault, up: "Future[tuple[Served, uvicorn.Server]]") -> None:
    try:
        async with _context(database_url, vault) as ctx, _shop(ctx) as (world, ids):
            port, token = free_port(), await token_of(ctx, world.user)
            app = create_app(ctx, settings(rate_limit_per_hour=0, operation_wait_s=2))
            config = uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, access_log=False, lifespan="off")
            shop = Served(f"http://{LOOPBACK}:{port}", port, token, ids)
            await _Server(config, lambda server: up.set_result((shop, server))).serve()
    except BaseException as error:  # told to whoever waits in the other thread
        if up.done():
            raise
        up.set_exception(error)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, when_up: Callable[[uvicorn.Server], None]) -> None:
        super().__init__(config)
        self._when_up = when_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_up(self)


@asynccontextmanager
async def _context(database_url: str, vault: Vault) -> AsyncIterator[Context]:
    database = Database(create_async_engine(async_url(database_url), pool_size=5, max_overflow=5))
    signals = Signals(database_url)
    await signals.start()
    try:
        yield Context(database, StoppedClock(), vault, signals)
    finally:
        await signals.stop()
        await database.close()


@asynccontextmanager
async def _shop(ctx: Context) -> AsyncIterator[tuple[World, dict[str, str]]]:
    world, ids = await stocked(ctx, await new_user(ctx, "alice@example.com"))
    working = asyncio.create_task(_work(world))
    try:
        yield world, ids
    finally:
        working.cancel()
        await asyncio.wait({working})


async def _work(world: World) -> None:
    """What the worker does, without a queue."""
    while True:
        for operation_id in await world.unfinished():
            world.provider.will(done())
            await advance(world.ctx, lambda _: world.provider, operation_id)
        await asyncio.sleep(_STEP_S)
