"""Plan limits that hold: over the size a database can be read and emptied, below it all is as before."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import pytest

from providers.postgres.quota import Locked
from tests.providers.postgres.conftest import SESSION_ENDED, Provider, Tenant, provider_settings, running_provider

ROWS = 60_000
FILL = f"INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, {ROWS}) i"  # some 65 MB: above "mini"


async def fill(tenant: Tenant) -> None:
    await tenant.run("CREATE UNLOGGED TABLE t (a int, b text)", FILL)


def locked(provider: Provider, tenant: Tenant) -> Locked | None:
    return Locked.of(provider.app.state.kit.store.get(tenant.uuid))


@pytest.fixture
async def full(provider: Provider) -> Tenant:
    """A tenant over its quota, as the first look at it leaves it."""
    tenant = await provider.provision()
    await tenant.run("CREATE TABLE other (a int)", "SELECT 1")
    await fill(tenant)
    await provider.service.quota.look()
    assert locked(provider, tenant) is not None
    return tenant


async def test_over_the_quota_there_is_reading_and_deleting_only(full: Tenant) -> None:
    async with full.session() as session:
        assert await session.fetchval("SELECT count(*) FROM t") == ROWS
        for attempt in (
            "INSERT INTO t VALUES (1, 'x')",
            "UPDATE t SET b = 'y'",
            "CREATE TABLE more (a int)",
            "CREATE TEMP TABLE more (a int)",
            "CREATE SCHEMA more",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
            f"SET ROLE {full.database}_rw",
            f"GRANT {full.database}_rw TO {full.role}",
            "ALTER TABLE t ADD c text",
            f"RESET ROLE; SET ROLE {full.database}_rw",
            "SET ROLE NONE; INSERT INTO t VALUES (1, 'x')",
            "SET transaction_read_only = off; INSERT INTO t VALUES (1, 'x')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(attempt)
        await session.execute("RESET ROLE")
        assert await session.execute("DELETE FROM t WHERE a < 10") == "DELETE 9"


async def test_sessions_from_before_the_lock_are_ended(provider: Provider) -> None:
    tenant = await provider.provision()
    async with tenant.session() as session:
        await fill(tenant)
        await provider.service.quota.look()
        with pytest.raises(SESSION_ENDED):
            await session.execute(FILL)


async def test_deleting_brings_a_database_back_to_normal(provider: Provider, full: Tenant) -> None:
    async with full.session() as session:
        await session.execute("DELETE FROM t WHERE a > 1000")
        # Statistics of a session are told when it is idle or ends.
    await provider.service.quota.look()
    await provider.service.quota.idle()
    await provider.service.quota.look()
    assert locked(provider, full) is None
    assert await full.run("INSERT INTO t VALUES (1, 'x') RETURNING a") == 1
    assert await full.run("CREATE TABLE more (a int)", "SELECT count(*) FROM t") == 1001


async def test_truncating_brings_a_database_back_to_normal(provider: Provider, full: Tenant) -> None:
    await full.run("TRUNCATE t", "SELECT 1")
    await provider.service.quota.look()
    assert locked(provider, full) is None
    assert await full.run("INSERT INTO t VALUES (1, 'x') RETURNING a") == 1


async def test_a_bigger_plan_brings_a_database_back_to_normal_at_once(provider: Provider, full: Tenant) -> None:
    assert (await provider.change_plan(full, "basic")).status_code == 200
    assert locked(provider, full) is None
    assert await full.run("INSERT INTO t VALUES (0, 'x') RETURNING a") == 0
    assert await full.run("SELECT count(*) FROM t") == ROWS + 1


async def test_a_smaller_plan_that_does_not_fit_is_refused_with_the_sizes(provider: Provider) -> None:
    tenant = await provider.provision("basic")
    await fill(tenant)
    answer = await provider.change_plan(tenant, "mini")
    assert answer.status_code == 422
    assert "64 MB" in answer.json()["message"]
    assert "The database holds" in answer.json()["message"]
    assert await tenant.run("INSERT INTO t VALUES (0, 'x') RETURNING a") == 0
    assert (await provider.change_plan(tenant, "standard-0")).status_code == 200


async def test_a_plan_change_applies_to_connections_at_once(provider: Provider) -> None:
    tenant = await provider.provision("basic")
    sessions = [await asyncpg.connect(tenant.url) for _ in range(20)]
    assert (await provider.change_plan(tenant, "mini")).status_code == 200
    alive = [session for session in sessions if await answers(session)]
    assert len(alive) == 10
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await asyncpg.connect(tenant.url)
    await asyncio.gather(*(session.close() for session in alive))
    assert await tenant.run("SHOW statement_timeout") == "30s"
    assert (await provider.change_plan(tenant, "mini")).status_code == 200


async def attempt(tenant: Tenant, statement: str) -> Exception | None:
    """What became of a statement: nothing to tell, or refused; a session that ended is nothing to tell."""
    try:
        await tenant.run(statement)
    except asyncpg.InsufficientPrivilegeError as refusal:
        return refusal
    except SESSION_ENDED:
        pass
    return None


async def answers(session: asyncpg.Connection) -> bool:
    try:
        return bool(await session.fetchval("SELECT true"))
    except SESSION_ENDED:
        return False


# How a tenant might prepare to write when it should not, and how it would use that: always into the table "other".
PREPARATIONS = {
    "rights given to everybody": (
        "GRANT ALL ON other TO PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC",
        "INSERT INTO other VALUES (1)",
    ),
    "rights given to the login": ("GRANT ALL ON other TO {role}", "SET ROLE NONE; INSERT INTO other VALUES (1)"),
    "rights on a column": ("GRANT INSERT (a) ON other TO PUBLIC", "INSERT INTO other VALUES (1)"),
    "rights given to the readers": (
        "GRANT ALL ON other TO {own}_ro; GRANT ALL ON SCHEMA public TO {own}_ro",
        "CREATE TABLE IF NOT EXISTS readers (); INSERT INTO other VALUES (1)",
    ),
    "a table of the login": (
        "SET ROLE NONE; CREATE TABLE mine (a int); CREATE VIEW other_view AS SELECT * FROM other",
        "SET ROLE NONE; INSERT INTO mine VALUES (1); INSERT INTO other VALUES (1)",
    ),
    "a view of the login": (
        "SET ROLE NONE; CREATE VIEW door AS SELECT * FROM other; GRANT ALL ON door TO PUBLIC",
        "INSERT INTO door VALUES (1)",
    ),
    "a schema of the login": (
        "SET ROLE NONE; CREATE SCHEMA mine; CREATE TABLE mine.t (a int)",
        "SET ROLE NONE; INSERT INTO mine.t VALUES (1); INSERT INTO other VALUES (1)",
    ),
    "a function with its owner's rights": (
        "CREATE FUNCTION run(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE $1; END $$",
        "SELECT run('INSERT INTO other VALUES (1)')",
    ),
    "a rule on a table": (
        "CREATE TABLE bait AS SELECT 1; CREATE RULE r AS ON DELETE TO bait DO ALSO INSERT INTO other VALUES (1)",
        "DELETE FROM bait",
    ),
    "a rule on a view": (
        "CREATE VIEW trap AS SELECT 1; CREATE RULE r AS ON DELETE TO trap DO INSTEAD INSERT INTO other VALUES (1)",
        "DELETE FROM trap",
    ),
    "a large object that all may write": (
        "SELECT lo_create(4711); GRANT ALL ON LARGE OBJECT 4711 TO PUBLIC",
        "SELECT lo_put(4711, 0, 'x'); INSERT INTO other VALUES (1)",
    ),
}


async def test_what_was_prepared_to_write_over_the_quota_is_disarmed_and_restored(provider: Provider) -> None:
    tenant = await provider.provision()
    names = {"own": tenant.database, "role": tenant.role}
    await tenant.run("CREATE TABLE other (a int)", "SELECT 1")
    for prepare, use in PREPARATIONS.values():
        async with tenant.session() as session:
            await session.execute(prepare.format(**names))
            await session.execute(use.format(**names))
    await fill(tenant)
    await provider.service.quota.look()
    for way, (_, use) in PREPARATIONS.items():
        async with tenant.session() as session:
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await session.execute(use.format(**names))
        assert await tenant.run("SELECT count(*) FROM other") == len(PREPARATIONS), way
    await tenant.run("TRUNCATE t", "SELECT 1")
    await provider.service.quota.look()
    assert locked(provider, tenant) is None
    await tenant.run("SELECT run('INSERT INTO other VALUES (1)')")
    await tenant.run("DELETE FROM trap", "INSERT INTO other VALUES (1)", "SELECT 1")
    assert await tenant.run("SELECT count(*) FROM other") == len(PREPARATIONS) + 3
    assert await tenant.run("SELECT count(*) FROM pg_rewrite WHERE ev_enabled = 'D'") == 0


async def test_a_locked_database_that_grows_all_the_same_is_closed_until_it_has_a_bigger_plan(
    provider: Provider, full: Tenant
) -> None:
    async with provider.service.server.inside(full.database) as admin:  # stands for a way in that we do not know
        await admin.execute(
            f"SET ROLE {full.database}_rw; CREATE TABLE public.grown AS SELECT * FROM public.t LIMIT 9000"
        )
    await provider.service.quota.look()
    state = locked(provider, full)
    assert state is not None
    assert state.closed
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await full.run("SELECT 1")
    assert (await provider.change_plan(full, "basic")).status_code == 200
    assert await full.run("INSERT INTO other VALUES (7) RETURNING a") == 7


async def test_a_lock_outlives_a_restart_and_is_found_again(tmp_path: Path, manifest: Path, postgres_url: str) -> None:
    settings = provider_settings(tmp_path / "home", manifest, admin_url=postgres_url)
    async with running_provider(settings) as provider:
        tenant = await provider.provision()
        await fill(tenant)
        await provider.service.quota.look()
    async with running_provider(settings) as provider:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tenant.run(FILL)
        await provider.service.quota.look()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tenant.run(FILL)
        await tenant.run("TRUNCATE t", "SELECT 1")
        await provider.service.quota.look()
        assert await tenant.run("INSERT INTO t VALUES (1, 'x') RETURNING a") == 1
        await provider.deprovision(tenant)


async def test_the_sizes_are_looked_at_without_being_asked(tmp_path: Path, manifest: Path, postgres_url: str) -> None:
    settings = provider_settings(tmp_path / "home", manifest, admin_url=postgres_url, quota_interval_s=0.1)
    async with running_provider(settings) as provider:
        tenant = await provider.provision()
        await tenant.run("CREATE UNLOGGED TABLE t (a int, b text)", "SELECT 1")
        batch = "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 5000) i"
        async with asyncio.timeout(20):
            while locked(provider, tenant) is None:
                await attempt(tenant, batch)
            while (state := await attempt(tenant, batch)) is None:  # for a moment nobody is let in
                pass
        assert isinstance(state, asyncpg.InsufficientPrivilegeError)
        await provider.deprovision(tenant)
