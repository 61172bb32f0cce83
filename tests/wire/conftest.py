"""A stocked shop behind the real application: an app, a provisioned add-on, an attachment, and two people with tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from broker.addons.attach import AttachAddon, attach
from broker.addons.resolve import AddonKey
from broker.addons.taken import reserved_names
from broker.app import create_app
from broker.apps.config_vars import set_config_vars
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.kernel.context import Actor, Context
from broker.metadata import metadata
from tests.addons.conftest import World, make_world
from tests.platform_api.conftest import client_of, settings, token_of

JSON = {"content-type": "application/json"}


async def rows(ctx: Context) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a digest of them: two equal answers mean that nothing was written between."""
    found = {}
    async with ctx.database.transaction() as tx:
        for table in metadata.tables:
            statement = f"select count(*), coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {table} t"
            count, digest = (await tx.execute(text(statement))).one()
            found[table] = (count, digest)
    return found


@dataclass
class Shop:
    """The app `shop` with the add-on `my-store`, attached as STORE, and to the app `other` as CACHE: all of alice."""

    world: World
    api: httpx.AsyncClient
    intruder: httpx.AsyncClient
    ids: dict[str, str]

    @property
    def ctx(self) -> Context:
        return self.world.ctx

    async def rows(self) -> dict[str, tuple[int, str]]:
        return await rows(self.ctx)


async def stocked(ctx: Context, user: Actor) -> tuple[World, dict[str, str]]:
    """The shop itself, and the ids of what is in it."""
    world = await make_world(ctx, user)
    other = await make_app(ctx, user, CreateApp(name="other"))
    await set_config_vars(ctx, user, "shop", {"OWN": "value"}, reserved_names)
    addon = await world.provisioned(name="my-store")
    attachment = await attach(ctx, user, AttachAddon(AddonKey("my-store"), "other", "CACHE"))
    ids = {"app": addon.app_id, "addon": addon.id, "attachment": attachment.id, "other": other.id, "user": user.id}
    return world, {name: str(value) for name, value in ids.items()}


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(rate_limit_per_hour=0))


@pytest.fixture
async def shop(ctx: Context, app: FastAPI, alice: Actor, mallory: Actor) -> AsyncIterator[Shop]:
    world, ids = await stocked(ctx, alice)
    alices, mallorys = await token_of(ctx, alice), await token_of(ctx, mallory)
    async with client_of(app, alices) as api, client_of(app, mallorys) as intruder:
        for client in (api, intruder):
            await client.get("/account")  # the use of a token is noted, once in a while
        yield Shop(world, api, intruder, ids)


def refused(answer: httpx.Response, status: int | None = None, error_id: str | None = None) -> dict[str, Any]:
    """The body of a refusal, after checking that it is what every client can read."""
    asked = (answer.request, answer.request.content[:300], answer.status_code, answer.text[:300])
    assert 400 <= answer.status_code < 500, asked
    assert answer.headers["content-type"] == "application/json", asked
    assert answer.headers["request-id"]
    body: dict[str, Any] = answer.json()
    assert isinstance(body["id"], str), asked
    assert len(body["message"]) > 10, asked
    assert len(answer.content) < 2000, asked
    if status is not None:
        assert (answer.status_code, body["id"]) == (status, error_id), asked
    return body
