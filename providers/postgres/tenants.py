"""The SQL that builds, limits and removes one tenant's database. Every function may be repeated after a crash.

The database belongs to the provider's superuser, so that a tenant can neither lift its limits nor let others in.
All objects in it belong to a role without login (`Names.writers`), of which each credential is a member: credentials
can come and go, and lose the right to write, without any object changing hands. The quota is in `quota`.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from providers.postgres.names import Names, scram_verifier
from providers.postgres.plans import Plan
from providers.postgres.server import Server

# Large objects have no schema and anybody may make them: a way around the quota, unless making and writing them
# is a right of the writers.
LARGE_OBJECT_WRITES = (
    "lo_create(oid)",
    "lo_creat(integer)",
    "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)",
    "lowrite(integer, bytea)",
    "lo_truncate(integer, integer)",
    "lo_truncate64(integer, bigint)",
)


# Where other tenants have given rights to our roles: of no use to anybody, but a role that has any cannot be dropped.
MENTIONS = """
SELECT DISTINCT rolname, datname FROM pg_shdepend
JOIN pg_roles ON pg_roles.oid = refobjid JOIN pg_database ON pg_database.oid = dbid
WHERE refclassid = 'pg_authid'::regclass AND starts_with(rolname, $1)
"""
OPEN_TO_VIEWERS = """
SELECT format('GRANT USAGE ON SCHEMA %I TO %s', nspname, $2::text)
FROM pg_namespace WHERE pg_get_userbyid(nspowner) = $1
UNION ALL
SELECT format('GRANT SELECT ON %s TO %s', oid::regclass, $2::text)
FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_get_userbyid(relowner) = $1
"""
DROP_TIMEOUT_S = 60
END_SESSION_MS = 5000


@dataclass(frozen=True)
class Usage:
    """Units: bytes; connections open now."""

    size: int
    connections: int


@dataclass(frozen=True)
class Table:
    """A tenant's table by its qualified name. Units: bytes, with its indexes."""

    name: str
    size: int


async def build(server: Server, names: Names, password: str, plan: Plan) -> None:
    """Make the database and its roles, or complete what an interrupted attempt has made; then let its tenant in."""
    async with server.connection() as connection:
        await _build_roles(connection, names, password)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", names.database):
            # Shut until it is furnished: a new database is open to everybody.
            await connection.execute(f"CREATE DATABASE {names.database} TEMPLATE template0 CONNECTION LIMIT 0")
        await connection.execute(
            f"""
            REVOKE ALL ON DATABASE {names.database} FROM PUBLIC;
            GRANT CONNECT ON DATABASE {names.database} TO {names.credential};
            GRANT CREATE, TEMPORARY ON DATABASE {names.database} TO {names.writers};
            ALTER ROLE {names.credential} IN DATABASE {names.database} SET role = {names.writers};
            """
        )
    async with server.inside(names.database) as inside:
        await _furnish(inside, names)
    await limit(server, names, plan)


async def _build_roles(connection: asyncpg.Connection, names: Names, password: str) -> None:
    existing = {
        row["rolname"]
        for row in await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", [names.writers, names.readers, names.credential]
        )
    }
    for role in {names.writers, names.readers, names.credential} - existing:
        await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    await connection.execute(
        f"ALTER ROLE {names.credential} LOGIN PASSWORD '{scram_verifier(password)}';"
        f"GRANT {names.writers} TO {names.credential}"
    )


async def _furnish(inside: asyncpg.Connection, names: Names) -> None:
    functions = ", ".join(LARGE_OBJECT_WRITES)
    await inside.execute(
        f"""
        ALTER SCHEMA public OWNER TO {names.writers};
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION {functions} TO {names.writers};
        """
    )


async def admit(server: Server, names: Names, password: str, role: str) -> None:
    """Let one more credential in, `names.credential`, to act as this role."""
    async with server.connection() as connection, connection.transaction():
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", names.credential):
            await connection.execute(f"CREATE ROLE {names.credential} NOLOGIN")
        await connection.execute(
            f"""
            GRANT CONNECT ON DATABASE {names.database} TO {names.credential};
            GRANT {role} TO {names.credential};
            ALTER ROLE {names.credential} IN DATABASE {names.database} SET role = {role};
            ALTER ROLE {names.credential} LOGIN PASSWORD '{scram_verifier(password)}';
            """
        )


async def open_to_viewers(server: Server, names: Names) -> None:
    """See to it that the viewers may read what there is and what there will be."""
    async with server.connection() as connection:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", names.viewers):
            await connection.execute(f"CREATE ROLE {names.viewers} NOLOGIN")
    async with server.inside(names.database) as inside, inside.transaction():
        for kind, right in (("SCHEMAS", "USAGE"), ("TABLES", "SELECT"), ("SEQUENCES", "SELECT")):
            await inside.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.writers} GRANT {right} ON {kind} TO {names.viewers}"
            )
        for row in await inside.fetch(OPEN_TO_VIEWERS, names.writers, names.viewers):
            await inside.execute(row[0])


async def dismiss(server: Server, names: Names, role: str) -> None:
    """Shut a credential out, end its sessions and drop its role; what it owns by itself goes to the writers."""
    async with server.connection() as connection:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            return
        await connection.execute(f"ALTER ROLE {role} NOLOGIN")
        await connection.execute(
            "SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity WHERE usename = $1", role, END_SESSION_MS
        )
        mentions = {row["datname"] for row in await connection.fetch(MENTIONS, role) if row["rolname"] == role}
    async with server.inside(names.database) as inside:
        await inside.execute(f"REASSIGN OWNED BY {role} TO {names.writers}")
    for database in mentions | {names.database}:
        async with server.inside(database) as inside:
            await inside.execute(f"DROP OWNED BY {role}")
    async with server.connection() as connection:
        await connection.execute(f"DROP ROLE {role}")


async def credentials(server: Server, names: Names) -> list[int]:
    """The generations that have a role."""
    start = f"{names.database}_c"
    async with server.connection() as connection:
        rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", start)
    numbers = [row["rolname"].removeprefix(start) for row in rows]
    return sorted(int(number) for number in numbers if number.isdigit())


async def limit(server: Server, names: Names, plan: Plan) -> None:
    """Put a plan's limits in force; connections beyond a lowered limit are closed, the youngest first."""
    async with server.connection() as connection:
        await connection.execute(
            f"""
            ALTER DATABASE {names.database} SET statement_timeout = '{plan.statement_timeout_s}s';
            ALTER DATABASE {names.database} SET temp_file_limit = '{plan.temporary // 1024}kB';
            ALTER DATABASE {names.database} CONNECTION LIMIT {plan.connections};
            """
        )
        await connection.execute(
            """
            SELECT pg_terminate_backend(pid) FROM (
                SELECT pid FROM pg_stat_activity
                WHERE datname = $1 AND backend_type = 'client backend' AND usename <> current_user
                ORDER BY backend_start OFFSET $2) AS excess
            """,
            names.database,
            plan.connections,
        )


async def remove(server: Server, names: Names) -> None:
    """Drop the database, whoever is connected to it, and the roles of all its credentials."""
    async with server.connection() as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {names.database} WITH (FORCE)", timeout=DROP_TIMEOUT_S)
        mentions = await connection.fetch(MENTIONS, names.database)
        roles = await connection.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", names.database)
    for role, database in mentions:
        async with server.inside(database) as inside:
            await inside.execute(f"DROP OWNED BY {role}")
    async with server.connection() as connection:
        for row in roles:
            await connection.execute(f"DROP ROLE {row['rolname']}")


async def usage(server: Server, database: str) -> Usage:
    """What a tenant uses at this moment."""
    async with server.connection() as connection:
        row = await connection.fetchrow(
            """
            SELECT pg_database_size($1::name) AS size,
                   (SELECT count(*) FROM pg_stat_activity
                    WHERE datname = $1::name AND backend_type = 'client backend' AND usename <> current_user) AS connections
            """,
            database,
        )
    return Usage(row["size"], row["connections"])


async def connection_capacity(server: Server) -> int:
    """How many connections the server has for tenants: all but those that it keeps back for superusers."""
    async with server.connection() as connection:
        capacity: int = await connection.fetchval(
            """
            SELECT current_setting('max_connections')::int - current_setting('reserved_connections')::int
                   - current_setting('superuser_reserved_connections')::int
            """
        )
    return capacity


async def largest_tables(server: Server, names: Names, count: int = 10) -> list[Table]:
    """The tables that take the most room, with their indexes."""
    async with server.inside(names.database) as inside:
        rows = await inside.fetch(
            """
            SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS size
            FROM pg_class c WHERE relkind IN ('r', 'm') AND pg_get_userbyid(relowner) LIKE $1
            ORDER BY size DESC, name LIMIT $2
            """,
            f"{names.database}%",
            count,
        )
    return [Table(row["name"], row["size"]) for row in rows]
