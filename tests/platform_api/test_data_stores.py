"""What the Heroku CLI asks of a database before it waits for it, promotes it or shows it."""

import httpx
import pytest

from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.kernel.context import Actor, Context, Scope
from tests.addons.conftest import World, done, make_world
from tests.platform_api.conftest import client_of, token_of


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


def paths(addon: AddonView) -> tuple[str, str]:
    return f"/client/v11/databases/{addon.id}/wait_status", f"/redis/v0/databases/{addon.name}/wait"


async def test_who_waits_is_told_when_it_is_there_and_when_it_never_will_be(
    api: httpx.AsyncClient, world: World
) -> None:
    addon = await world.create()
    for path in paths(addon):
        expected = {"waiting?": True, "error?": False, "message": "Being created"}
        assert (await api.get(path)).json() == expected
    world.provider.will(Reply(Answer.REFUSED, 422, message="No more room."))
    await world.run()
    for path in paths(addon):
        status = (await api.get(path)).json()
        assert (status["waiting?"], status["error?"]) == (False, True)
        assert status["message"].startswith("Gone: ")
    there = await world.provisioned()
    for path in paths(there):
        assert (await api.get(path)).json()["message"] == "Available"


async def test_a_database_is_shown_without_its_address(api: httpx.AsyncClient, world: World) -> None:
    addon = await world.provisioned("store:big")
    shown = (await api.get(f"/client/v11/databases/{addon.id}")).json()
    assert {"name": "Plan", "values": ["Big"]} in shown["info"]
    assert {"name": "Status", "values": ["Available"]} in shown["info"]
    assert (shown["resource_url"], shown["following"]) == (None, None)


@pytest.mark.parametrize(
    ("url", "encrypted", "plan"),
    [("rediss://:key@cache.example:6380", True, "free"), ("redis://:key@cache.example", False, "hobby-free")],
)
async def test_a_redis_tells_its_address_to_who_may_read_it(
    ctx: Context, app: object, alice: Actor, api: httpx.AsyncClient, world: World, url: str, encrypted: bool, plan: str
) -> None:
    addon = await world.create()
    world.provider.will(done(url))
    await world.run()
    path = f"/redis/v0/databases/{addon.name}"
    shown = (await api.get(path)).json()
    assert (shown["resource_url"], shown["prefer_native_tls"], shown["plan"]) == (url, encrypted, plan)
    assert "credential.revealed" in (await api.get("/audit/entries")).text
    async with client_of(app, await token_of(ctx, alice, Scope.READ)) as reader:
        answer = await reader.get(path)
    assert (answer.status_code, answer.json()["resource_url"], "key" in answer.text) == (200, None, False)
