"""The database: one engine, one way to open a transaction, and the only `commit` of the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import BigInteger, Connection, DateTime, LargeBinary, MetaData, Text, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from broker.kernel.errors import DatabaseUnavailable
from broker.kernel.outage import AWAY, BUSY, DRIVER_ERRORS, is_outage

Tx = AsyncConnection
"""An open transaction. Helpers take one and never commit it."""

T = TypeVar("T")
P = ParamSpec("P")
_AGAIN: Final = frozenset({"40P01", "40001"})
"""A deadlock; a transaction that does not fit to another one."""
_SESSION: Final = {"application_name": "broker", "timezone": "UTC", "random_page_cost": "1.1"}
"""Looking up a row costs what reading on costs: what is asked for all the time is in memory, and disks do not turn any more. By
the server's default, ids are looked up by reading small tables whole."""
_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)
_log = structlog.get_logger()


class Base(DeclarativeBase):
    """The declarative base of every table. Rows are read Core-style; no session, no lazy loading."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this very attribute
        UUID: PgUuid(as_uuid=True),
        datetime: DateTime(timezone=True),
        bytes: LargeBinary,
        str: Text,
        int: BigInteger,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


def in_transaction() -> bool:
    """Whether the current task holds a transaction open: outgoing calls refuse to start then."""
    return _in_transaction.get()


@contextmanager
def _outages_told() -> Iterator[None]:
    """The one place where a missing connection becomes a refusal that every face knows."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseUnavailable(BUSY) from None
    except DRIVER_ERRORS as error:
        if not is_outage(error):
            raise
        _log.warning("database.lost", error=type(error).__name__)
        raise DatabaseUnavailable(AWAY) from None


class Database:
    """The one engine of a process.

    Transactions: `transaction()` commits on leaving and rolls back on any exception; nesting is refused, because a helper
    that opens its own would commit half of its caller's work.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Tx]:
        """Open a transaction. With `snapshot`, all its statements see the database as it was at the first of them, so that sums
        of several tables can be compared; what such a one writes may have to be run again (`again_on_deadlock`).

        Raises: DatabaseUnavailable if no connection comes free in time, or the database is lost: what was asked for last may then
            have been done or not.
        """
        if _in_transaction.get():
            raise RuntimeError("a transaction is open already in this task: pass it on instead of opening another")
        token = _in_transaction.set(True)
        try:
            with _outages_told():
                async with self._begin(snapshot) as tx:
                    yield tx
        finally:
            _in_transaction.reset(token)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        """The driver's own connection, for one statement that reads and needs no transaction (see `kernel/direct.py`).

        Raises: DatabaseUnavailable, as above.
        """
        if _in_transaction.get():
            raise RuntimeError("a transaction is open already in this task: read inside it")
        with _outages_told():
            async with self._connected() as driver:
                yield driver

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        connection = await self.engine.raw_connection()
        driver: Any = connection.driver_connection
        usable = False
        try:
            yield driver
            usable = True
        except asyncpg.PostgresError:
            usable = not driver.is_closed()
            raise
        finally:
            if not usable:
                connection.invalidate()
            connection.close()

    @asynccontextmanager
    async def _begin(self, snapshot: bool) -> AsyncIterator[Tx]:
        """As `engine.begin()`, but beginning, which sends nothing yet, is left to no other greenlet, and what was committed is not
        rolled back once more. Giving back is: it may close the connection.
        """
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ") if snapshot else self.engine
        connection = await engine.connect()
        try:
            _open(connection).begin()
            yield connection
            await connection.commit()
        finally:
            await asyncio.shield(_give_up(connection))

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()


def _open(connection: AsyncConnection) -> Connection:
    assert connection.sync_connection is not None, "it is open"
    return connection.sync_connection


async def _give_up(connection: AsyncConnection) -> None:
    """Roll back what was not committed, and give the connection back whatever comes of that."""
    try:
        if connection.in_transaction():
            await connection.rollback()
    finally:
        await connection.close()


@asynccontextmanager
async def in_vain(tx: Tx) -> AsyncIterator[None]:
    """What is done within takes as long as it takes, and leaves nothing: so that the time tells nobody whether it was wanted."""
    async with tx.begin_nested() as point:
        yield
        await point.rollback()


async def again_on_deadlock(body: Callable[[], Awaitable[T]], tries: int = 5) -> T:
    """Run a whole transaction again when PostgreSQL ended it because of another one, such as of two that wait for one another."""
    for _ in range(tries - 1):
        try:
            return await body()
        except (DBAPIError, asyncpg.PostgresError) as error:
            if getattr(getattr(error, "orig", error), "sqlstate", None) not in _AGAIN:
                raise
    return await body()


def run_again(use_case: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A use case of one transaction which takes locks that others take in other places: it is run again on a deadlock."""

    @wraps(use_case)
    async def until_done(*args: P.args, **kwargs: P.kwargs) -> T:
        return await again_on_deadlock(lambda: use_case(*args, **kwargs))

    return until_done


def connect(url: str, *, pool_size: int, pool_timeout_s: float) -> Database:
    """An engine on asyncpg for any `postgres://` or `postgresql://` URL."""
    engine = create_async_engine(
        async_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # few connections with warm caches do better than many with cold ones
        pool_timeout=pool_timeout_s,
        pool_pre_ping=False,
        pool_recycle=1800,
        hide_parameters=True,  # errors of the driver end in logs; what they were about may be secret
        connect_args={"timeout": 10, "server_settings": _SESSION},
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    return Database(engine)


def _refuse_dead(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that the server has closed meanwhile: no round trip is needed to know."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def async_url(url: str) -> Any:
    """The URL with the asyncpg driver, whatever scheme it was written with."""
    return make_url(libpq_url(url)).set(drivername="postgresql+asyncpg")


def libpq_url(url: str) -> str:
    """The URL as libpq, psycopg and a bare asyncpg connection want it: `postgresql://`."""
    scheme, _, rest = url.partition("://")
    if scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("the database URL must begin with postgresql://")
    return f"postgresql://{rest}"
