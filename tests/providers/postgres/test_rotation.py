"""Two credentials on one database: both work, own nothing, and go without taking anything along."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.providers.postgres.conftest import RESOURCES, SESSION_ENDED, Provider, Tenant


async def rotated(tenant: Tenant, rotation: UUID) -> Tenant:
    answer = await tenant.provider.client.post(
        f"{RESOURCES}/{tenant.uuid}/actions/rotate", json={"rotation": str(rotation)}
    )
    assert answer.status_code == 200, answer.text
    return replace(tenant, url=answer.json()["config"]["DATABASE_URL"])


async def revoke(tenant: Tenant, rotation: UUID) -> None:
    answer = await tenant.provider.client.post(
        f"{RESOURCES}/{tenant.uuid}/actions/revoke", json={"rotation": str(rotation)}
    )
    assert answer.status_code == 204, answer.text


async def test_both_credentials_work_on_the_same_data_until_the_old_one_goes(tenant: Tenant) -> None:
    rotation = uuid4()
    await tenant.run("CREATE TABLE jokes (text text)", "SELECT 1")
    await tenant.run("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT one()")
    new = await rotated(tenant, rotation)
    assert await rotated(tenant, rotation) == new
    assert new.role != tenant.role
    await new.run("INSERT INTO jokes VALUES ('knock')", "ALTER TABLE jokes ADD COLUMN by_new int", "SELECT 1")
    assert await tenant.run("INSERT INTO jokes VALUES ('who is there')", "SELECT count(*) FROM jokes") == 2
    async with tenant.session() as session:
        await revoke(tenant, rotation)
        with pytest.raises(SESSION_ENDED):
            await session.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError):
        await tenant.run("SELECT 1")
    assert await new.run("DROP FUNCTION one()", "CREATE TABLE more ()", "SELECT count(*) FROM jokes") == 2
    await revoke(tenant, rotation)


async def test_what_was_made_without_the_shared_role_outlives_its_credential(
    provider: Provider, tenant: Tenant
) -> None:
    async with provider.service.server.inside(tenant.database) as admin:
        await admin.execute(f"CREATE TABLE public.own (n int); ALTER TABLE public.own OWNER TO {tenant.role}")
    rotation = uuid4()
    new = await rotated(tenant, rotation)
    await revoke(tenant, rotation)
    assert await new.run("INSERT INTO own VALUES (1)", "SELECT count(*) FROM own") == 1


async def test_over_the_quota_new_credentials_may_no_more_than_the_old_ones_and_after_it_no_less(
    provider: Provider, tenant: Tenant
) -> None:
    fill = "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 60000)"  # above the size of "mini"
    await tenant.run("CREATE UNLOGGED TABLE t (b text)", fill, "SELECT 1")
    await provider.service.quota.look()
    new = await rotated(tenant, uuid4())
    assert await new.run("SELECT count(*) FROM t") == 60000
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await new.run("INSERT INTO t VALUES ('x') RETURNING b")
    assert (await provider.change_plan(tenant, "basic")).status_code == 200
    assert await new.run("INSERT INTO t VALUES ('x') RETURNING b") == "x"


async def test_removing_leaves_no_credential(provider: Provider, tenant: Tenant) -> None:
    await rotated(tenant, uuid4())
    await provider.deprovision(tenant)
    async with provider.service.server.connection() as admin:
        left = "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1)"
        assert await admin.fetchval(left, tenant.database) == 0
