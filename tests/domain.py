"""Fixtures of the domain tests: a migrated PostgreSQL, a vault, a clock that stands still until it is told to move.

`ctx` works inside one transaction that is rolled back (a savepoint per use case): fast, for everything that needs one
connection. `live_ctx` has a database of its own, for whatever needs several connections, commits or LISTEN.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from broker.accounts.models import User
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Database, Tx, async_url
from broker.kernel.ids import new_id
from broker.kernel.signals import Signals
from broker.kernel.vault import KeyRing, Vault
from broker.migrations.run import upgrade
from tests.engines import new_database

START = datetime(2026, 11, 21, 9, 54, 7, tzinfo=UTC)


class StoppedClock:
    """Tells the same time until `advance` is called."""

    def __init__(self, at: datetime = START) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance(self, **parts: float) -> datetime:
        self._at += timedelta(**parts)
        return self._at


class SavepointDatabase(Database):
    """Every transaction is a savepoint of one connection, whose outer transaction the fixture rolls back."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    @asynccontextmanager
    async def undone(self) -> AsyncIterator[None]:
        """Whatever happens inside has not happened afterwards."""
        savepoint = await self._connection.begin_nested()
        try:
            yield
        finally:
            await savepoint.rollback()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        yield (await self._connection.get_raw_connection()).driver_connection

    @asynccontextmanager
    async def _begin(self, snapshot: bool) -> AsyncIterator[Tx]:
        async with self._connection.begin_nested():
            yield self._connection


@pytest.fixture(scope="session")
def migrated_database(postgres_url: str) -> Iterator[str]:
    """A migrated database without rows, shared by the tests that roll back and copied by those that commit."""
    with new_database(postgres_url) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="session")
def vault() -> Vault:
    key = os.urandom(32)
    return Vault(KeyRing(lambda: [key]))


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest_asyncio.fixture(scope="session")
async def _engine(postgres_url: str, migrated_database: str) -> AsyncIterator[AsyncEngine]:
    """One connection that stays open, and so knows the tables already, to a copy: nobody may be connected to what is copied."""
    with new_database(postgres_url, migrated_database.rsplit("/", 1)[1]) as url:
        engine = create_async_engine(async_url(url), pool_size=1, max_overflow=0, pool_timeout=5, pool_pre_ping=True)
        yield engine
        await engine.dispose()


@pytest_asyncio.fixture
async def ctx(
    _engine: AsyncEngine, migrated_database: str, vault: Vault, clock: StoppedClock
) -> AsyncIterator[Context]:
    """A context whose writes are rolled back after the test. One connection: no LISTEN, no concurrency."""
    async with _engine.connect() as connection:
        outer = await connection.begin()
        yield Context(SavepointDatabase(connection), clock, vault, Signals(migrated_database))
        await outer.rollback()


@pytest.fixture
def live_database(postgres_url: str, migrated_database: str) -> Iterator[str]:
    """A migrated database of this test alone."""
    template = migrated_database.rsplit("/", 1)[1]
    with new_database(postgres_url, template) as url:
        yield url


@pytest_asyncio.fixture
async def live_ctx(live_database: str, vault: Vault, clock: StoppedClock) -> AsyncIterator[Context]:
    """A context on a database of its own, with a pool and a listener, as in production."""
    database = Database(create_async_engine(async_url(live_database), pool_size=5, max_overflow=5))
    signals = Signals(live_database)
    await signals.start()
    yield Context(database, clock, vault, signals)
    await signals.stop()
    await database.close()


async def new_user(ctx: Context, email: str) -> Actor:
    """A user without password, as the actor that its global token would be."""
    user = Actor(new_id(), email, frozenset({Scope.GLOBAL}))
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await tx.execute(insert(User).values(id=user.id, email=email, created_at=now, updated_at=now))
    return user


@pytest_asyncio.fixture
async def alice(ctx: Context) -> Actor:
    return await new_user(ctx, "alice@example.com")


@pytest_asyncio.fixture
async def mallory(ctx: Context) -> Actor:
    """Somebody else, who must not see what is alice's."""
    return await new_user(ctx, "mallory@example.com")


def with_scopes(actor: Actor, *scopes: Scope) -> Actor:
    return replace(actor, scopes=frozenset(scopes))
