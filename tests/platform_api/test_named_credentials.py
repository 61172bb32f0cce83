"""Logins of their own over HTTP: ours, and as the Heroku CLI asks a database for its credentials."""

import httpx
import pytest

from broker.addons.lend import lend
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.apps.create import CreateApp, create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import client_of, token_of

CREDENTIAL = {
    "id", "addon_id", "name", "permission", "state", "while_attached", "apps", "reason", "attempts", "next_attempt_at",
    "last_answer", "created_at",
}  # fmt: skip
URL = "postgres://own:pa%40ss@db.example:6543/shop"


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    await publish(ctx, parse({**MANIFEST, "capabilities": ["rotate", "attachment_credentials"]}), SYSTEM)
    await create_app(ctx, alice, CreateApp(name="reports"))
    return world


@pytest.fixture
async def addon(world: World) -> AddonView:
    return await world.provisioned()


async def made(world: World, credential: dict[str, str]) -> None:
    """The provider makes it."""
    world.provider.will(Reply(Answer.DONE, 201, config={"STORE_URL": Secret(URL)}))
    await lend(world.ctx, lambda _: world.provider, credential["id"], 0)


async def test_a_login_is_made_attached_and_kept_while_it_is_used(
    api: httpx.AsyncClient, world: World, addon: AddonView
) -> None:
    path = f"/addons/{addon.name}"
    asked = await api.post(f"{path}/credentials", json={"name": "analytics", "permission": "read_only"})
    assert (asked.status_code, set(asked.json()), asked.json()["state"]) == (201, CREDENTIAL, "creating")
    assert (await api.get(f"{path}/config/credential:analytics")).json() == []
    await made(world, asked.json())
    found = (await api.get(f"{path}/config/credential:analytics")).json()
    assert found == [{"id": asked.json()["id"], "name": "analytics"}]
    body = {"addon": addon.name, "app": "reports", "name": "STATS", "namespace": "credential:analytics"}
    attached = await api.post("/addon-attachments", json=body)
    assert (attached.status_code, attached.json()["namespace"]) == (201, "credential:analytics")
    assert (await api.get("/apps/reports/config-vars")).json() == {"STATS_URL": URL}
    (named,) = (await api.get(f"{path}/credentials")).json()["named"]
    assert (named["permission"], named["apps"], "pa%40ss" in str(named)) == ("read_only", ["reports"], False)
    refused = await api.delete(f"{path}/credentials/analytics")
    assert (refused.status_code, "reports" in refused.json()["message"]) == (409, True)
    await api.delete(f"/addon-attachments/{attached.json()['id']}")
    assert (await api.delete(f"{path}/credentials/analytics")).json()["state"] == "removing"


async def test_wrong_ones_are_refused(api: httpx.AsyncClient, intruder: httpx.AsyncClient, addon: AddonView) -> None:
    path = f"/addons/{addon.name}/credentials"
    assert (await api.post(path, json={"name": "x", "permission": "all"})).status_code == 422
    assert (await api.post(path, json={"name": "X"})).status_code == 422
    assert (await api.delete(f"{path}/nothing")).status_code == 404
    assert (await intruder.post(path, json={"name": "x"})).status_code == 404
    assert (await intruder.get(f"/addons/{addon.name}/config/credential:x")).status_code == 404
    assert (await intruder.get(f"/postgres/v0/databases/{addon.name}/credentials")).status_code == 404
    assert (await intruder.get(f"/postgres/v0/databases/{addon.name}/credentials/default")).status_code == 404


async def test_a_database_tells_its_credentials_to_who_may_read_secrets(
    ctx: Context, app: object, alice: Actor, api: httpx.AsyncClient, world: World, addon: AddonView
) -> None:
    path = f"/postgres/v0/databases/{addon.name}/credentials"
    await made(world, (await api.post(path, json={"name": "analytics"})).json())
    listed = (await api.get(path)).json()
    assert [(one["name"], one["state"], one["credentials"]) for one in listed] == [
        ("default", "active", []),
        ("analytics", "active", []),
    ]
    shown = (await api.get(f"{path}/analytics")).json()
    assert (shown["database"], shown["host"], shown["port"]) == ("shop", "db.example", 6543)
    assert shown["credentials"] == [{"user": "own", "password": "pa@ss", "state": "active"}]
    assert (await api.get(f"{path}/nothing")).status_code == 404
    assert (await api.get(f"{path}/default")).status_code == 404  # its address is none of a database
    async with client_of(app, await token_of(ctx, alice, Scope.READ)) as reader:
        assert (await reader.get(f"{path}/analytics")).status_code == 403
    assert (await api.post(f"{path}/analytics/credentials_rotation")).status_code == 422
    rotation = await api.post(f"{path}/default/credentials_rotation", json={"forced": True})
    assert (rotation.status_code, rotation.json()["state"]) == (200, "issuing")
    assert (await api.delete(f"{path}/analytics")).json()["state"] == "removing"
