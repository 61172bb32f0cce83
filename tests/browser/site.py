"""The pages on a port of this machine, with a stocked marketplace, for a browser to look at."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from playwright.async_api import Browser, async_playwright
from sqlalchemy.ext.asyncio import create_async_engine

from broker.app import create_app
from broker.kernel.clock import SystemClock
from broker.kernel.context import Context
from broker.kernel.db import Database, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import KeyRing, Vault
from broker.migrations.run import upgrade
from tests.browser.bills import bill
from tests.browser.furniture import furnish
from tests.browser.teamwork import team_up
from tests.browser.troubles import trouble
from tests.browser.wares import operator, stock_up
from tests.engines import new_database
from tests.platform_api.conftest import settings

QUIET: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where it is, and what it works with."""

    url: str
    ctx: Context


@asynccontextmanager
async def site(postgres_url: str) -> AsyncIterator[Site]:
    """Serve the stocked marketplace until the end of the block."""
    with new_database(postgres_url) as url:
        await asyncio.to_thread(upgrade, url)
        database = Database(create_async_engine(async_url(url), pool_size=5, max_overflow=5))
        key = os.urandom(32)
        ctx = Context(database, SystemClock(), Vault(KeyRing(lambda: [key])), Signals(url))
        await stock_up(ctx)
        actor = await operator(ctx)
        await furnish(ctx, actor)
        await team_up(ctx, actor)
        await bill(ctx, actor)
        await trouble(ctx, actor)
        async with _served(ctx) as address:
            yield Site(address, ctx)
        await database.close()


@asynccontextmanager
async def _served(ctx: Context) -> AsyncIterator[str]:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{place.getsockname()[1]}"
        app = create_app(ctx, settings(public_url=address, sign_up="open"))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        running = asyncio.create_task(server.serve(sockets=[place]))
        while not server.started:  # noqa: ASYNC110 - the server has nothing that could be awaited
            await asyncio.sleep(0.01)
        yield address
        server.should_exit = True
        await running


@asynccontextmanager
async def chromium(program: str) -> AsyncIterator[Browser]:
    """A browser that reaches nothing but this machine."""
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*QUIET, *as_root])
        yield browser
        await browser.close()
