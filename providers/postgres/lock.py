"""The SQL that makes one database read-and-delete-only, and back. When that is due is decided in `quota`.

Making it read-only by a setting would not do, for a session can take settings back. Instead the credentials lose
the role of the writers and get that of the readers. What a tenant may have prepared to write nevertheless is disarmed
and later restored: rights given to everybody, and functions and rules that act with the rights of their owner.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import asyncpg

from providers.postgres.names import Names
from providers.postgres.plans import Plan
from providers.postgres.server import Server

END_SESSION_MS = 5000
VACUUM_TIMEOUT_S = 300
VACUUM_SHARE = 0.2

# Functions with the rights of their owner, and rules, which always have them. Extensions' own are a superuser's.
ARMED = """
SELECT ARRAY(SELECT oid::int8 FROM pg_proc WHERE prosecdef AND pg_get_userbyid(proowner) = ANY($1)) AS definers,
       ARRAY(SELECT r.oid::int8 FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
             WHERE ev_type IN ('2', '3', '4') AND ev_enabled <> 'D' AND relkind IN ('r', 'p')
             AND pg_get_userbyid(relowner) = ANY($1)) AS rules
"""
ALTER_DEFINERS = "SELECT format('ALTER ROUTINE %s SECURITY ' || $2, oid::regprocedure) FROM pg_proc WHERE oid = ANY($1)"
ALTER_RULES = """
SELECT format('ALTER TABLE %s ' || $2 || ' RULE %I', ev_class::regclass, rulename) FROM pg_rewrite WHERE oid = ANY($1)
"""
# Of views the readers may not delete: a rule might turn that into something else.
OPEN_TO_READERS = """
SELECT format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, %s; GRANT USAGE ON SCHEMA %1$I TO %3$I', nspname, $3::text, $2::text)
FROM pg_namespace WHERE pg_get_userbyid(nspowner) = ANY($1)
UNION ALL
SELECT format('REVOKE ALL ON %s FROM PUBLIC, %s; GRANT SELECT%s ON %1$s TO %4$I', c.oid::regclass, $3::text,
              CASE WHEN relkind IN ('r', 'p') THEN ', DELETE, TRUNCATE' END, $2::text)
FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_get_userbyid(relowner) = ANY($1)
"""
WITH_DEAD_ROWS = """
SELECT format('VACUUM (FULL) %s', oid::regclass) AS statement FROM pg_class
WHERE relkind = 'r' AND pg_get_userbyid(relowner) = $1 AND pg_stat_get_dead_tuples(oid)
      > $2 * (pg_stat_get_live_tuples(oid) + pg_stat_get_dead_tuples(oid))
"""


@dataclass(frozen=True)
class Armed:
    """What was found able to write for others; object ids, which survive every renaming."""

    definers: frozenset[int] = frozenset()
    rules: frozenset[int] = frozenset()

    def __or__(self, other: Armed) -> Armed:
        return Armed(self.definers | other.definers, self.rules | other.rules)


async def shut(server: Server, names: Names) -> None:
    """Let nobody in, and everybody out."""
    async with server.connection() as connection:
        await connection.execute(f"ALTER DATABASE {names.database} CONNECTION LIMIT 0")
    await end_sessions(server, names)


async def reopen(server: Server, names: Names, plan: Plan) -> None:
    async with server.connection() as connection:
        await connection.execute(f"ALTER DATABASE {names.database} CONNECTION LIMIT {plan.connections}")


async def end_sessions(server: Server, names: Names) -> None:
    """End every session of the tenant, and wait until they are gone."""
    async with server.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity"
            " WHERE datname = $1 AND usename <> current_user AND backend_type = 'client backend'",
            names.database,
            END_SESSION_MS,
        )


async def in_force(server: Server, names: Names) -> bool:
    """Whether the lock is on, by the server's own word: what `lock` does it does in one transaction."""
    async with server.connection() as connection:
        locked: bool = await connection.fetchval(
            "SELECT pg_has_role($1, $2, 'MEMBER')", names.credential, names.readers
        )
    return locked


async def find_armed(server: Server, names: Names) -> Armed:
    async with server.inside(names.database) as inside:
        row = await inside.fetchrow(ARMED, [names.writers, *await _credentials(inside, names)])
    return Armed(frozenset(row["definers"]), frozenset(row["rules"]))


async def lock(server: Server, names: Names, armed: Armed) -> None:
    """Take the right to write away, in one transaction. Nobody should be connected."""
    async with server.inside(names.database) as inside, inside.transaction():
        credentials = await _credentials(inside, names)
        for credential in credentials:
            await inside.execute(f"REASSIGN OWNED BY {credential} TO {names.writers}")
        await _become(inside, names, names.readers, names.writers)
        others = ", ".join([names.readers, *credentials])
        await _execute_each(inside, OPEN_TO_READERS, [names.writers], names.readers, others)
        await _execute_each(inside, ALTER_DEFINERS, armed.definers, "INVOKER")
        await _execute_each(inside, ALTER_RULES, armed.rules, "DISABLE")


async def unlock(server: Server, names: Names, armed: Armed) -> None:
    """Give the right to write back, with what was disarmed for it, in one transaction."""
    async with server.inside(names.database) as inside, inside.transaction():
        await _become(inside, names, names.writers, names.readers)
        await _execute_each(inside, ALTER_DEFINERS, armed.definers, "DEFINER")
        await _execute_each(inside, ALTER_RULES, armed.rules, "ENABLE")


async def shrink(server: Server, names: Names, queue: asyncio.Semaphore) -> None:
    """Give the room of deleted rows back, which PostgreSQL by itself would keep for new ones. May take minutes."""
    async with server.inside(names.database, queue) as inside:
        await inside.execute("SET lock_timeout = '1s'")
        for row in await inside.fetch(WITH_DEAD_ROWS, names.writers, VACUUM_SHARE):
            with contextlib.suppress(asyncpg.LockNotAvailableError):  # the table is in use; there is a next time
                await inside.execute(row["statement"], timeout=VACUUM_TIMEOUT_S)


async def _credentials(inside: asyncpg.Connection, names: Names) -> list[str]:
    rows = await inside.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", f"{names.database}_c")
    return [row["rolname"] for row in rows]


async def _become(inside: asyncpg.Connection, names: Names, role: str, instead_of: str) -> None:
    for credential in await _credentials(inside, names):
        await inside.execute(
            f"""
            REVOKE {instead_of} FROM {credential};
            GRANT {role} TO {credential};
            ALTER ROLE {credential} IN DATABASE {names.database} SET role = {role};
            """
        )


async def _execute_each(inside: asyncpg.Connection, query: str, *arguments: object) -> None:
    """Execute the statements which a query has made from the catalogue."""
    for row in await inside.fetch(query, *arguments):
        await inside.execute(row[0])
