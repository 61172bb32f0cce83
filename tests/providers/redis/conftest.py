"""A Redis provider of the tests' own, with real instances, and what one tenant holds of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from providers.redis.app import create_app
from providers.redis.keeper import Keeper
from providers.redis.plans import PLANS
from providers.redis.service import RedisService
from providers.redis.settings import RedisSettings
from tests.providers.partner import provision_body, running, write_manifest

MakeSettings = Callable[..., RedisSettings]


@dataclass(frozen=True)
class Provider:
    app: FastAPI
    broker: httpx.AsyncClient

    async def provision(self, plan: str = "mini", uuid: UUID | None = None, **more: Any) -> Tenant:
        uuid = uuid or uuid4()
        answer = await self.broker.post("/heroku/resources", json=provision_body(uuid, plan, **more))
        assert answer.status_code == 201, answer.text
        return Tenant(uuid, answer.json()["config"]["REDIS_URL"])

    async def change_plan(self, tenant: Tenant, plan: str) -> httpx.Response:
        return await self.broker.put(f"/heroku/resources/{tenant.uuid}", json={"plan": plan})

    async def remove(self, tenant: Tenant) -> int:
        return (await self.broker.delete(f"/heroku/resources/{tenant.uuid}")).status_code

    def keeper(self, tenant: Tenant) -> Keeper:
        service = self.app.state.kit.service
        assert isinstance(service, RedisService)
        keeper = service.keeper(tenant.uuid)
        assert keeper is not None
        return keeper


@dataclass(frozen=True)
class Tenant:
    uuid: UUID
    url: str

    def client(self) -> Redis:
        """A client that asks once: what the server does is to be seen, not smoothed over."""
        return Redis.from_url(self.url, decode_responses=True, retry=None, socket_timeout=10)


@pytest.fixture(scope="module")
def make_settings(tmp_path_factory: pytest.TempPathFactory) -> MakeSettings:
    def make(home: Path | None = None, **more: Any) -> RedisSettings:
        folder = tmp_path_factory.mktemp("redis")
        manifest = write_manifest(folder, "redis", ["REDIS_URL"], "REDIS", tuple(PLANS))
        return RedisSettings(home=home or folder / "home", manifests=(manifest,), **more)

    return make


@pytest.fixture(scope="module")
async def provider(make_settings: MakeSettings) -> AsyncIterator[Provider]:
    """One provider for the tests of a module; they keep to resources of their own."""
    app = create_app(make_settings())
    async with running(app, "redis") as broker:
        yield Provider(app, broker)
