"""The life of a resource over HTTP, on a real server, and what clients of all kinds make of its URL."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import django
import httpx
import psycopg
import pytest
import sqlalchemy
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connections

from embedded.postgres import find_binaries
from tests.providers.partner import provision_body, sso_form
from tests.providers.postgres.conftest import RESOURCES, Provider, Tenant, provider_settings, running_provider


async def eventually_healthy(provider: Provider) -> None:
    async with asyncio.timeout(20):
        while (await provider.client.get("/health")).status_code != 200:  # noqa: ASYNC110 (over HTTP there is no event)
            await asyncio.sleep(0.1)


async def test_a_database_is_provisioned_used_and_removed(provider: Provider) -> None:
    tenant = await provider.provision()
    assert await tenant.run("CREATE TABLE jokes (text text)", "INSERT INTO jokes VALUES ('knock') RETURNING text") == (
        "knock"
    )
    assert (await provider.deprovision(tenant)).status_code == 204
    with pytest.raises(asyncpg.PostgresError):
        await tenant.run("SELECT 1")
    async with provider.service.server.connection() as admin:
        left = "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1)"
        assert await admin.fetchval(left, tenant.database) == 0
    assert (await provider.deprovision(tenant)).status_code == 410
    assert (await provider.client.post(RESOURCES, json=provision_body(tenant.uuid))).status_code == 410


async def test_a_second_provision_with_the_same_uuid_gives_the_same_database(provider: Provider) -> None:
    uuid = uuid4()
    first, second = await asyncio.gather(provider.provision("mini", uuid), provider.provision("basic", uuid))
    assert first.url == second.url
    await first.run("CREATE TABLE kept ()", "SELECT 1")
    assert (await provider.provision("mini", uuid)).url == first.url
    assert await second.run("SELECT count(*) FROM kept") == 0


async def test_the_scheme_of_the_url_can_be_chosen(provider: Provider) -> None:
    uuid = uuid4()
    body = provision_body(uuid) | {"options": {"url-scheme": "postgres"}}
    for _ in ("first", "repeated"):
        answer = await provider.client.post(RESOURCES, json=body)
        assert answer.json()["config"]["DATABASE_URL"].startswith("postgres://")
    refused = await provider.client.post(RESOURCES, json=provision_body() | {"options": {"url-scheme": "mysql"}})
    assert (refused.status_code, refused.json()) == (
        422,
        {"message": "The option url-scheme is one of postgresql, postgres."},
    )
    await provider.client.delete(f"{RESOURCES}/{uuid}")


async def test_many_databases_are_provisioned_at_once(provider: Provider) -> None:
    tenants = await asyncio.gather(*(provider.provision() for _ in range(12)))
    assert len({tenant.url for tenant in tenants}) == 12
    assert await asyncio.gather(*(tenant.run("SELECT 7") for tenant in tenants)) == [7] * 12


async def half_built(provider: Provider) -> UUID:
    """A resource as a crash in the middle of its making leaves it."""
    uuid, kit = uuid4(), provider.app.state.kit
    resource = kit.store.create(uuid, "postgres", "mini", "half", "", datetime.now(UTC))
    names = provider.service.names(resource)
    async with provider.service.server.connection() as admin:
        await admin.execute(f"CREATE ROLE {names.writers} NOLOGIN")
        await admin.execute(f"CREATE DATABASE {names.database} TEMPLATE template0 CONNECTION LIMIT 0")
    return uuid


async def test_a_provision_that_was_interrupted_is_completed_by_its_repetition(provider: Provider) -> None:
    tenant = await provider.provision(uuid=await half_built(provider))
    assert await tenant.run("CREATE TABLE t AS SELECT 7 AS a", "SELECT a FROM t") == 7
    assert await tenant.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE current_database() || '%'") == 3


async def test_a_provision_that_was_interrupted_can_be_removed(provider: Provider) -> None:
    uuid = await half_built(provider)
    assert (await provider.client.delete(f"{RESOURCES}/{uuid}")).status_code == 204
    assert (await provider.client.delete(f"{RESOURCES}/{uuid}")).status_code == 410


async def test_an_unknown_plan_is_refused_with_the_names_of_the_plans(provider: Provider, tenant: Tenant) -> None:
    for answer in (
        await provider.client.post(RESOURCES, json=provision_body(plan="galactic")),
        await provider.change_plan(tenant, "galactic"),
    ):
        assert answer.status_code == 422
        assert "mini, basic, standard-0, premium-0" in answer.json()["message"]


async def test_psql_connects(tenant: Tenant) -> None:
    command = [str(find_binaries() / "psql"), tenant.url, "-Atc", "CREATE TABLE t (a int); INSERT INTO t VALUES (7)"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert await tenant.run("SELECT a FROM t") == 7


async def test_sqlalchemy_connects(tenant: Tenant) -> None:
    url = sqlalchemy.make_url(tenant.url).set(drivername="postgresql+psycopg")
    assert sqlalchemy.make_url(tenant.url).get_dialect().name == "postgresql"

    def use() -> object:
        engine = sqlalchemy.create_engine(url)
        table = sqlalchemy.Table("t", sqlalchemy.MetaData(), sqlalchemy.Column("a", sqlalchemy.Integer))
        try:
            with engine.begin() as connection:
                table.create(connection)
                connection.execute(table.insert(), {"a": 7})
                return connection.scalar(sqlalchemy.select(table.c.a))
        finally:
            engine.dispose()

    assert await asyncio.to_thread(use) == 7


async def test_django_connects_and_migrates(tenant: Tenant) -> None:
    place = sqlalchemy.make_url(tenant.url)
    if not django_settings.configured:
        django_settings.configure(USE_TZ=True, DATABASES={})
    if not apps.ready:  # another test of this process may have configured Django and needed no more
        django.setup()
    connections.settings["provider"] = connections.configure_settings(
        {
            "default": {},
            "provider": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": place.database,
                "USER": place.username,
                "PASSWORD": place.password,
                "HOST": place.host,
                "PORT": place.port,
            },
        }
    )["provider"]

    def use() -> object:
        connection = connections["provider"]
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE t (a int)")
                cursor.execute("INSERT INTO t VALUES (%s) RETURNING a", [7])
                return cursor.fetchone()
        finally:
            connection.close()

    assert await asyncio.to_thread(use) == (7,)


async def test_a_connection_pool_that_discards_all_still_writes(tenant: Tenant) -> None:
    async with tenant.session() as session:
        await session.execute("DISCARD ALL")
        await session.execute("CREATE TABLE t (a int)")
        await session.execute("INSERT INTO t VALUES (1)")
        await session.execute("RESET ROLE")
        assert await session.fetchval("SELECT a FROM t") == 1


async def test_data_and_address_survive_a_restart_and_a_killed_engine(tmp_path: Path, manifest: Path) -> None:
    settings = provider_settings(tmp_path / "home", manifest)
    async with running_provider(settings) as provider:
        tenant = await provider.provision()
        await tenant.run("CREATE TABLE t AS SELECT 7 AS a", "SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        await tenant.run("SELECT 1")
    async with running_provider(settings) as provider:
        assert (await provider.provision(uuid=tenant.uuid)).url == tenant.url
        assert await tenant.run("SELECT a FROM t") == 7
        engine = provider.service.server._engine
        assert engine is not None
        engine.stop(timeout_s=0)
        await eventually_healthy(provider)
        assert await tenant.run("SELECT a FROM t") == 7
    for name in ("key", "resources.sqlite3"):
        assert stat.S_IMODE(os.stat(settings.home / name).st_mode) == 0o600
    password = tenant.url.split(":")[2].split("@")[0].encode()
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or password not in path.read_bytes(), path


async def test_the_address_in_the_urls_can_be_set(postgres_url: str, tmp_path: Path, manifest: Path) -> None:
    settings = provider_settings(
        tmp_path / "home",
        manifest,
        admin_url=postgres_url,
        public_host="db.example",
        public_port=5433,
        url_scheme="postgres",
    )
    async with running_provider(settings) as provider:
        tenant = await provider.provision()
        assert tenant.url.startswith("postgres://")
        assert tenant.url.partition("@")[2].startswith("db.example:5433/")
        assert (await provider.deprovision(tenant)).status_code == 204
    with psycopg.connect(postgres_url) as admin:
        assert admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [tenant.database]).fetchone() is None


async def test_a_full_server_says_so_and_keeps_what_it_promised(tmp_path: Path, manifest: Path) -> None:
    settings = provider_settings(tmp_path / "home", manifest, db_max_connections=36)
    async with running_provider(settings) as provider:
        tenants = [await provider.provision(), await provider.provision()]
        refused = await provider.client.post(RESOURCES, json=provision_body())
        assert (refused.status_code, "no room" in refused.json()["message"]) == (503, True)
        assert (await provider.change_plan(tenants[0], "basic")).status_code == 503
        greedy = [await asyncpg.connect(tenants[0].url) for _ in range(10)]
        assert await tenants[1].run("SELECT 7") == 7
        assert (await provider.deprovision(tenants[0])).status_code == 204
        for session in greedy:
            session.terminate()
        await provider.provision()


async def test_the_dashboard_shows_use_and_no_password(provider: Provider, tenant: Tenant) -> None:
    await tenant.run('CREATE TABLE "<script>alert(1)</script>" AS SELECT 7 AS a', "SELECT 1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(provider.app), base_url="http://p.test") as browser:
        assert (await browser.get(f"/dashboard/{tenant.uuid}")).status_code == 403
        page = await browser.post("/sso/login", data=sso_form(tenant.uuid), follow_redirects=True)
        assert page.status_code == 200
        assert tenant.database in page.text
        assert "<svg" in page.text
        assert "64 MB" in page.text
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert tenant.url.split(":")[2].split("@")[0] not in page.text
        assert (await browser.post("/sso/login", data=sso_form(uuid4()))).status_code == 404
