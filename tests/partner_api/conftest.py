"""A provider with a token for one add-on, in a shop that has more than that."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from broker.addons.attach import AttachAddon, attach
from broker.addons.grants import PartnerTokens
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.app import create_app
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from tests.addons.conftest import MANIFEST, World, make_world
from tests.addons.test_grants import give_client_secret, tokens_of
from tests.platform_api.conftest import client_of, settings


@dataclass
class Stall:
    """`my-store` on the app `shop`, attached to `other` as CACHE, and what its provider may know nothing of:
    a `queue` of another service on `shop`, and `far-store` of its own service on the app `far`."""

    world: World
    addon: AddonView
    tokens: PartnerTokens
    api: httpx.AsyncClient
    app: FastAPI

    @property
    def ctx(self) -> Context:
        return self.world.ctx

    def client(self, token: str | None) -> httpx.AsyncClient:
        return client_of(self.app, token)

    async def client_for(self, addon_id: UUID) -> httpx.AsyncClient:
        return self.client((await tokens_of(self.ctx, addon_id)).access.reveal())


OTHER_SERVICE = MANIFEST | {
    "id": "queue",
    "name": "Queue",
    "api": MANIFEST["api"]
    | {"config_vars": ["QUEUE_URL"], "config_vars_prefix": "QUEUE", "password": "manifest-password-of-the-queue"},
}


async def stocked(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    await publish(ctx, parse(OTHER_SERVICE), SYSTEM)
    for slug in ("store", "queue"):
        await give_client_secret(ctx, slug)
    for name in ("other", "far"):
        await make_app(ctx, alice, CreateApp(name=name))
    await world.provisioned("queue:free", name="my-queue")
    world.app = "far"
    await world.provisioned(name="far-store")
    world.app = "shop"
    return world


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(rate_limit_per_hour=0))


@pytest.fixture
async def stall(ctx: Context, app: FastAPI, alice: Actor) -> AsyncIterator[Stall]:
    world = await stocked(ctx, alice)
    addon = await world.provisioned(name="my-store")
    await attach(ctx, alice, AttachAddon(AddonKey("my-store"), "other", "CACHE"))
    tokens = await tokens_of(ctx, addon.id)
    async with client_of(app, tokens.access.reveal()) as api:
        yield Stall(world, addon, tokens, api, app)
