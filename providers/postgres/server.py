"""The PostgreSQL server which holds the databases: our own embedded one or another, and our connections to it.

What is built on it is the business of `tenants` and `quota`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

import asyncpg

from embedded import postgres
from embedded.processes import EngineError, free_port
from providers.kit.secrets import ProviderKey
from providers.kit.service import Refused
from providers.postgres.settings import PostgresSettings

log = logging.getLogger("provider.postgres")

OLDEST = 160_000
PROVIDER_ITSELF = UUID(int=0)
CALL_TIMEOUT_S = 20
AT_ONCE = 5  # connections of each kind; together within what the server keeps back for superusers
STOP_TIMEOUT_S = 7
WATCH_INTERVAL_S = 0.5
LONGEST_PAUSE_S = 30

# Tenants write to the server's log with RAISE LOG or mere errors, as much as they like: only what ends a session is
# kept. And who connects without logging in does not hold a place for long.
FIXED = {
    "log_min_messages": "fatal",
    "authentication_timeout": "10s",
    "superuser_reserved_connections": "16",
    "autovacuum_naptime": "20s",
    "jit": "off",
}

# A tenant may define functions that shadow others; our superuser looks for them nowhere but in the catalogue.
# Nor do the plan's timeouts and a tenant's locks hold it up.
SAFE = {
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "lock_timeout": "5s",
    "application_name": "provider",
}


class Server:
    """Start, stop and connections. `connection()` is to the maintenance database, `inside()` to a tenant's."""

    def __init__(self, settings: PostgresSettings, key: ProviderKey) -> None:
        self._settings = settings
        self._key = key
        self._engine: postgres.PostgresServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pool: asyncpg.Pool | None = None
        self._admin_url = ""
        self._inside = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Start the embedded server, if it is ours to start, and make sure that strangers' ways in are shut.

        Raises: EngineError.
        """
        if self._settings.admin_url is None:
            self._start_engine()
            self._watch = asyncio.create_task(self._keep_engine())
        else:
            self._admin_url = self._settings.admin_url.get_secret_value()
        self._pool = await asyncpg.create_pool(
            self._admin_url, min_size=1, max_size=AT_ONCE, command_timeout=CALL_TIMEOUT_S, server_settings=SAFE
        )
        async with self.connection() as connection:
            await _check(connection)
            await connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")

    async def stop(self) -> None:
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._pool:
            self._pool.terminate()
        if self._engine:
            await asyncio.to_thread(self._engine.stop, STOP_TIMEOUT_S)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as superuser to the maintenance database."""
        assert self._pool is not None, "the server is started"
        async with self._pool.acquire(timeout=CALL_TIMEOUT_S) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def inside(self, database: str, queue: asyncio.Semaphore | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection as superuser to a tenant's database. Who will be long waits in a `queue` of their own."""
        async with queue or self._inside:
            connection = await asyncpg.connect(
                self._admin_url,
                database=database,
                timeout=CALL_TIMEOUT_S,
                command_timeout=CALL_TIMEOUT_S,
                server_settings=SAFE,
            )
            try:
                yield connection
            finally:
                await connection.close(timeout=CALL_TIMEOUT_S)

    def url(self, database: str, user: str, password: str, scheme: str | None = None) -> str:
        """The URL by which a tenant reaches its database; `scheme` instead of the one that is set for all."""
        host, port = self.address()
        return f"{scheme or self._settings.url_scheme}://{user}:{password}@{host}:{port}/{database}"

    def address(self) -> tuple[str, int]:
        """Host and port as the tenants know them. An IPv6 address is in brackets."""
        place = urlsplit(self._admin_url)
        # Ours is addressed by name: clients that insist on TLS elsewhere make an exception for "localhost".
        default = "localhost" if self._engine else place.hostname or "localhost"
        host = self._settings.public_host or default
        return f"[{host}]" if ":" in host else host, self._settings.public_port or place.port or 5432

    def _start_engine(self) -> None:
        data, password = self._settings.home / "cluster", self._key.derive(PROVIDER_ITSELF, "superuser")
        postgres.initialise(data, password)
        port = _lasting_port(self._settings.home / "db_port", self._settings.db_port)
        limits = {"max_connections": str(self._settings.db_max_connections)}
        # On this thread, the main one, although it waits: only then the engine ends with us, however we end.
        self._engine = postgres.start(data, port, settings=FIXED | limits, log=self._settings.home / "cluster.log")
        self._admin_url = f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/postgres"

    async def _keep_engine(self) -> None:
        """Start the engine again when it has died, with growing pauses while that does not succeed."""
        pause = WATCH_INTERVAL_S
        while True:
            await asyncio.sleep(pause)
            if self._engine and self._engine.alive():
                pause = WATCH_INTERVAL_S
                continue
            log.error("the engine died; starting it again")
            try:
                self._start_engine()
            except EngineError as error:
                pause = min(pause * 2, LONGEST_PAUSE_S)
                log.error("the engine does not start: %s", error)


@contextlib.contextmanager
def server_faults() -> Iterator[None]:
    """Turns what a server in trouble raises into a refusal for the moment; the trouble itself goes to the log."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        log.error("the server failed: %s: %s", type(error).__name__, error)
        raise Refused("The database server is not available at the moment. Please try again later.", 503) from error


async def _check(connection: asyncpg.Connection) -> None:
    version, superuser = await connection.fetchrow(
        "SELECT current_setting('server_version_num')::int, rolsuper FROM pg_roles WHERE rolname = current_user"
    )
    if version < OLDEST:
        raise EngineError("The provider needs PostgreSQL 16 or newer; POSTGRES_PROVIDER_ADMIN_URL names an older one.")
    if not superuser:
        raise EngineError(
            "The user in POSTGRES_PROVIDER_ADMIN_URL must be a superuser of a server used for this alone."
        )


def _lasting_port(file: Path, wanted: int) -> int:
    """The port given out in URLs must not change: the first choice is kept in a file, unless the settings name one."""
    if wanted:
        return wanted
    if file.exists():
        return int(file.read_text())
    port = free_port()
    file.write_text(f"{port}\n")
    return port
