"""One running provider, with its own PostgreSQL server, for all tests of the postgres provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from providers.postgres.app import create_app
from providers.postgres.service import PostgresService
from providers.postgres.settings import PostgresSettings
from tests.providers.partner import provision_body, running, write_manifest

RESOURCES = "/heroku/resources"

# What a client of ours may raise when its session is ended under it.
SESSION_ENDED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError)
PLANS = ("mini", "basic", "standard-0", "premium-0")


@dataclass
class Provider:
    app: FastAPI
    client: httpx.AsyncClient
    service: PostgresService
    tenants: list[Tenant] = field(default_factory=list)

    async def provision(self, plan: str = "mini", uuid: UUID | None = None) -> Tenant:
        answer = await self.client.post(RESOURCES, json=provision_body(uuid, plan))
        assert answer.status_code == 201, answer.text
        tenant = Tenant(self, UUID(answer.json()["id"]), answer.json()["config"]["DATABASE_URL"])
        self.tenants.append(tenant)
        return tenant

    async def change_plan(self, tenant: Tenant, plan: str) -> httpx.Response:
        return await self.client.put(f"{RESOURCES}/{tenant.uuid}", json={"plan": plan})

    async def deprovision(self, tenant: Tenant) -> httpx.Response:
        return await self.client.delete(f"{RESOURCES}/{tenant.uuid}")


@dataclass
class Tenant:
    provider: Provider
    uuid: UUID
    url: str

    @property
    def database(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def role(self) -> str:
        return self.url.partition("//")[2].partition(":")[0]

    @asynccontextmanager
    async def session(self, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url, **({"database": database} if database else {}))
        try:
            yield connection
        finally:
            await connection.close()

    async def run(self, *statements: str) -> Any:
        """Execute statements in a session of their own; the last one's single value."""
        async with self.session() as session:
            for statement in statements[:-1]:
                await session.execute(statement)
            return await session.fetchval(statements[-1])


def provider_settings(home: Path, manifest: Path, **more: Any) -> PostgresSettings:
    values = {"home": home, "manifests": (manifest,), "quota_interval_s": 3600} | more
    return PostgresSettings(**values)


@asynccontextmanager
async def running_provider(settings: PostgresSettings) -> AsyncIterator[Provider]:
    app = create_app(settings)
    async with running(app, "postgres") as client:
        service = app.state.kit.service
        assert isinstance(service, PostgresService)
        yield Provider(app, client, service)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("manifests"), "postgres", ["DATABASE_URL"], "DATABASE", PLANS)


@pytest.fixture(scope="package")
async def provider(
    tmp_path_factory: pytest.TempPathFactory, manifest: Path, postgres_url: str
) -> AsyncIterator[Provider]:
    """One for all, on the server of the test process. The quotas are looked at only when a test asks for it."""
    home = tmp_path_factory.mktemp("postgres-provider")
    async with running_provider(provider_settings(home, manifest, admin_url=postgres_url)) as started:
        yield started


@pytest.fixture(autouse=True)
async def remove_tenants(provider: Provider) -> AsyncIterator[None]:
    """Each test gives back what it provisioned; the tenants of a whole module were there before it, and stay."""
    there = len(provider.tenants)
    yield
    for tenant in provider.tenants[there:]:
        await provider.deprovision(tenant)
    del provider.tenants[there:]


@pytest.fixture
async def tenant(provider: Provider) -> Tenant:
    return await provider.provision()
