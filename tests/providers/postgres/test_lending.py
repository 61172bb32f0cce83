"""Logins of their own: one per app, one that only reads, and none left when they are taken back."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.providers.postgres.conftest import RESOURCES, SESSION_ENDED, Provider, Tenant


async def lent(tenant: Tenant, credential: UUID, permission: str) -> Tenant:
    body = {"credential": str(credential), "name": "analytics", "permission": permission}
    answer = await tenant.provider.client.post(f"{RESOURCES}/{tenant.uuid}/credentials", json=body)
    assert answer.status_code == 201, answer.text
    return replace(tenant, url=answer.json()["config"]["DATABASE_URL"])


async def take_back(tenant: Tenant, credential: UUID) -> None:
    answer = await tenant.provider.client.delete(f"{RESOURCES}/{tenant.uuid}/credentials/{credential}")
    assert answer.status_code == 204, answer.text


async def test_a_login_that_writes_shares_everything_until_it_is_taken_back(tenant: Tenant) -> None:
    credential = uuid4()
    guest = await lent(tenant, credential, "read_write")
    assert await lent(tenant, credential, "read_write") == guest
    assert guest.role != tenant.role
    await guest.run("CREATE TABLE jokes (text text)", "SELECT 1")
    await tenant.run("ALTER TABLE jokes ADD COLUMN laughs int", "SELECT 1")
    async with guest.session() as session:
        await take_back(tenant, credential)
        with pytest.raises(SESSION_ENDED):
            await session.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError):
        await guest.run("SELECT 1")
    assert await tenant.run("SELECT count(*) FROM jokes") == 0
    await take_back(tenant, credential)


async def test_a_login_that_reads_sees_what_is_there_and_what_comes_and_changes_nothing(tenant: Tenant) -> None:
    await tenant.run("CREATE TABLE before (n int)", "CREATE SCHEMA other", "CREATE TABLE other.t (n int)", "SELECT 1")
    reader = await lent(tenant, uuid4(), "read_only")
    await tenant.run("CREATE TABLE later (n int)", "INSERT INTO later VALUES (1)", "SELECT 1")
    for table in ("before", "other.t", "later"):
        assert await reader.run(f"SELECT count(*) FROM {table}") == (table == "later")
    for attempt in (
        "INSERT INTO later VALUES (2)",
        "DELETE FROM later",
        "TRUNCATE later",
        "CREATE TABLE mine ()",
        "CREATE TEMP TABLE mine ()",
        f"SET ROLE {tenant.database}_rw",
        "SELECT lo_from_bytea(0, 'x')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.run(attempt)


async def test_a_rotation_leaves_other_logins_alone_and_removal_takes_them_all(
    provider: Provider, tenant: Tenant
) -> None:
    reader, writer = await lent(tenant, uuid4(), "read_only"), await lent(tenant, uuid4(), "read_write")
    rotation = {"rotation": str(uuid4())}
    for action in ("rotate", "revoke"):
        path = f"{RESOURCES}/{tenant.uuid}/actions/{action}"
        assert (await provider.client.post(path, json=rotation)).is_success
    assert [await one.run("SELECT 1") for one in (reader, writer)] == [1, 1]
    await provider.deprovision(tenant)
    async with provider.service.server.connection() as admin:
        left = "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1)"
        assert await admin.fetchval(left, tenant.database) == 0
