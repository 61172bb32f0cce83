"""Holds databases to the size of their plan: over it they can be read and emptied, below it all is as before.

How a database is locked is in `lock`. Should one grow all the same, it is closed until it has a bigger plan: that is
the backstop against whatever a tenant may think of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from providers.kit.secrets import ProviderKey
from providers.kit.store import Resource, ResourceStore, State
from providers.postgres import lock, plans
from providers.postgres.lock import Armed
from providers.postgres.names import Names, names_of
from providers.postgres.plans import Plan
from providers.postgres.server import Server

log = logging.getLogger("provider.postgres")

GROWTH_ALLOWED = 8 * plans.MB  # of a locked database: catalogue entries, maps, a commit that was under way
LOCKS_ALLOWED = 10_000  # per session, in a table of locks that all tenants share
VACUUMS_AT_ONCE = 2
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True)
class Locked:
    """What was done to a database over its quota, so that it can be undone. Units: bytes, when it was locked."""

    size: int
    armed: Armed = field(default_factory=Armed)
    closed: bool = False

    @classmethod
    def of(cls, resource: Resource) -> Locked | None:
        kept = resource.extra.get("locked")
        if kept is None:
            return None
        return cls(kept["size"], Armed(frozenset(kept["definers"]), frozenset(kept["rules"])), kept["closed"])

    def as_json(self) -> dict[str, Any]:
        definers, rules = sorted(self.armed.definers), sorted(self.armed.rules)
        return {"size": self.size, "definers": definers, "rules": rules, "closed": self.closed}


@dataclass(frozen=True)
class Database:
    """A database as the server has it. Units: bytes; connections allowed."""

    size: int
    connections: int


class Quota:
    """Looks at all databases, one after the other, at an interval, and at a single one when asked."""

    def __init__(self, server: Server, store: ResourceStore, key: ProviderKey, interval_s: float) -> None:
        self._server = server
        self._store = store
        self._key = key
        self._interval_s = interval_s
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._shrinking: dict[UUID, asyncio.Task[None]] = {}
        self._vacuums = asyncio.Semaphore(VACUUMS_AT_ONCE)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with _noted("the quotas"):
                await self.look()
            await asyncio.sleep(self._interval_s)

    async def stop(self) -> None:
        """End what still runs in the background."""
        for task in self._shrinking.values():
            task.cancel()
        await asyncio.gather(*self._shrinking.values(), return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing runs in the background."""
        await asyncio.gather(*self._shrinking.values())

    def undisturbed(self, uuid: UUID) -> asyncio.Lock:
        """Held while something is done to a database; two at once would be in each other's way."""
        return self._locks.setdefault(uuid, asyncio.Lock())

    async def look(self) -> None:
        """One look at everything."""
        await self._end_hoarders()
        found = await self._databases()
        for resource in self._store.all(State.ACTIVE):
            database = found.get(self._names(resource).database)
            if database and ("locked" in resource.extra or database.size > plans.find(resource.plan).size):
                async with self.undisturbed(resource.uuid):
                    with _noted(f"the quota of {resource.uuid}"):
                        await self.check(resource.uuid)

    async def check(self, uuid: UUID, plan: Plan | None = None) -> None:
        """Lock, unlock or leave one database, by its size now and its plan, or the one it is about to get.

        The caller holds `undisturbed`.
        """
        resource = self._store.find(uuid)
        if resource is None or resource.state is not State.ACTIVE:
            return
        names, limits, locked = self._names(resource), plan or plans.find(resource.plan), Locked.of(resource)
        database = (await self._databases(names.database)).get(names.database)
        if database is None:
            return
        if database.size <= limits.size:
            if locked:
                await self._unlock(resource, names, limits, locked)
        elif locked and await lock.in_force(self._server, names):
            await self._hold(resource, names, limits, locked, database)
        else:
            await self._lock(resource, names, limits, locked or Locked(database.size))

    async def _lock(self, resource: Resource, names: Names, limits: Plan, locked: Locked) -> None:
        await lock.shut(self._server, names)
        found = await lock.find_armed(self._server, names)
        locked = replace(locked, armed=locked.armed | found)
        self._keep(resource, locked)  # before the deed: after a crash between the two it can still be undone
        await lock.lock(self._server, names, locked.armed)
        await lock.end_sessions(self._server, names)  # any that was half-way in when the door was shut
        if not locked.closed:
            await lock.reopen(self._server, names, limits)
        log.info("%s is over its quota: read and delete only", resource.uuid)

    async def _hold(self, resource: Resource, names: Names, limits: Plan, locked: Locked, found: Database) -> None:
        if found.size > locked.size + GROWTH_ALLOWED:
            await lock.shut(self._server, names)
            if not locked.closed:
                self._keep(resource, replace(locked, closed=True))
                log.warning("%s grew although it was locked: closed", resource.uuid)
            return
        if not found.connections and not locked.closed:  # interrupted while it was being locked
            await lock.reopen(self._server, names, limits)
        if resource.uuid not in self._shrinking:
            task = asyncio.create_task(self._shrink(resource.uuid, names))
            self._shrinking[resource.uuid] = task
            task.add_done_callback(lambda _: self._shrinking.pop(resource.uuid))

    async def _shrink(self, uuid: UUID, names: Names) -> None:
        """In the background, for it may be long, and the other databases are to be looked at meanwhile."""
        with _noted(f"the room in {uuid}"):
            await lock.shrink(self._server, names, self._vacuums)

    async def _unlock(self, resource: Resource, names: Names, limits: Plan, locked: Locked) -> None:
        await lock.unlock(self._server, names, locked.armed)
        self._keep(resource, None)
        await lock.end_sessions(self._server, names)  # they are readers; the next ones are writers again
        await lock.reopen(self._server, names, limits)
        log.info("%s is within its quota again", resource.uuid)

    async def _databases(self, one: str | None = None) -> dict[str, Database]:
        async with self._server.connection() as connection:
            rows = await connection.fetch(
                "SELECT datname, pg_database_size(oid), datconnlimit FROM pg_database"
                " WHERE $1::name IS NULL OR datname = $1",
                one,
            )
        return {name: Database(size or 0, connections) for name, size, connections in rows}

    async def _end_hoarders(self) -> None:
        """End sessions that hold so many locks that there would be none left for other tenants."""
        async with self._server.connection() as connection:
            ended = await connection.fetchval(
                """
                SELECT count(pg_terminate_backend(pid)) FROM (
                    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE usename <> current_user
                    GROUP BY pid HAVING count(*) > $1) AS hoarders
                """,
                LOCKS_ALLOWED,
            )
        if ended:
            log.warning("ended %d sessions that held more than %d locks", ended, LOCKS_ALLOWED)

    def _names(self, resource: Resource) -> Names:
        return names_of(resource.uuid, resource.generation, self._key)

    def _keep(self, resource: Resource, locked: Locked | None) -> None:
        extra: dict[str, Any] = {name: value for name, value in resource.extra.items() if name != "locked"}
        if locked:
            extra["locked"] = locked.as_json()
        self._store.set_extra(resource.uuid, extra)


@contextlib.contextmanager
def _noted(what: str) -> Iterator[None]:
    """A server or a database in trouble is logged, and looked at again next time."""
    try:
        yield
    except TROUBLE as error:
        log.warning("%s could not be seen to: %s: %s", what, type(error).__name__, error)
