"""The legacy API with the manifest's id and password."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import select

from broker.accounts.login import ATTEMPTS
from broker.addons.destroy import destroy_addon
from broker.addons.models import AddonState, Orphan
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from tests.addons.conftest import MANIFEST
from tests.addons.test_grants import CLIENT_SECRET
from tests.partner_api.conftest import Stall

PASSWORD = MANIFEST["api"]["password"]


@pytest.fixture
async def vendor(stall: Stall) -> AsyncIterator[httpx.AsyncClient]:
    async with stall.client(None) as client:
        client.auth = httpx.BasicAuth("store", PASSWORD)
        yield client


async def test_every_install_of_the_service_is_listed_and_no_other(stall: Stall, vendor: httpx.AsyncClient) -> None:
    answer = await vendor.get("/vendor/apps")
    far = await stall.world.read("far-store")
    shown = [(item["resource"]["name"], item["plan"], item["provider_id"]) for item in answer.json()]
    assert shown == [("far-store", "free", "remote-1"), ("my-store", "free", "remote-1")]
    first = answer.json()[0]
    assert first["heroku_id"] == f"app{far.app_id.int}@heroku.com"
    assert first["callback_url"].endswith(f"/addons/{far.id}"), "as it was given to a provider of version 3"
    assert "link" not in answer.headers
    assert (await vendor.get("/api/v3/apps")).json() == answer.json()


async def test_a_long_list_comes_in_parts(vendor: httpx.AsyncClient) -> None:
    answer = await vendor.get("/vendor/apps", params={"limit": 1})
    assert [item["resource"]["name"] for item in answer.json()] == ["far-store"]
    url = answer.links["next"]["url"]
    rest = await vendor.get(httpx.URL(url).raw_path.decode())
    assert [item["resource"]["name"] for item in rest.json()] == ["my-store"]
    assert "link" not in rest.headers


async def test_info_by_callback_url_and_by_heroku_id(stall: Stall, vendor: httpx.AsyncClient) -> None:
    listed = (await vendor.get("/vendor/apps")).json()[1]
    by_url = (await vendor.get(f"/vendor/apps/{listed['resource']['uuid']}")).json()
    by_heroku_id = (await vendor.get(f"/vendor/apps/{listed['heroku_id']}")).json()
    assert by_url == by_heroku_id
    assert by_url["config"] == {"STORE_URL": f"store://{stall.addon.id}"}
    assert (by_url["id"], by_url["name"], by_url["owner_email"]) == (listed["heroku_id"], "shop", "alice@example.com")
    assert by_url["region"] == "amazon-web-services::us-east-1"


async def test_an_app_with_two_of_them_asks_for_the_callback_url(stall: Stall, vendor: httpx.AsyncClient) -> None:
    await stall.world.provisioned(name="second-store")
    answer = await vendor.get(f"/vendor/apps/app{stall.addon.app_id.int}@heroku.com")
    assert (answer.status_code, answer.json()["id"]) == (422, "multiple_matches")


async def test_config_is_set_as_a_map(stall: Stall, vendor: httpx.AsyncClient) -> None:
    answer = await vendor.put(f"/vendor/apps/{stall.addon.id}", json={"config": {"STORE_TOKEN": "new"}})
    assert (answer.status_code, answer.json()["config"]["STORE_TOKEN"]) == (200, "new")
    assert (await get_config_vars(stall.ctx, stall.world.user, "other"))["CACHE_TOKEN"] == "new"
    for body in ({"config": {"PATH": "/evil"}}, {"config": [{"name": "STORE_TOKEN", "value": "list"}]}, {}):
        assert (await vendor.put(f"/vendor/apps/{stall.addon.id}", json=body)).status_code == 422


async def test_info_waits_until_it_is_provisioned_and_ends_when_it_is_gone(
    stall: Stall, vendor: httpx.AsyncClient
) -> None:
    addon = await stall.world.create(name="slow-store")
    assert (await vendor.get(f"/vendor/apps/{addon.id}")).status_code == 404
    early = await vendor.put(f"/vendor/apps/{addon.id}", json={"config": {"STORE_URL": "store://early"}})
    assert early.status_code == 200, "version 1 providers send config before they have finished, too"
    stall.world.provider.will(Reply(Answer.REFUSED, 422, message="no"))
    await stall.world.run()
    assert (await vendor.get(f"/vendor/apps/{addon.id}")).status_code == 404
    assert (await vendor.put(f"/vendor/apps/{addon.id}", json={"config": {}})).status_code == 404


async def test_what_is_another_service_s_is_not_there(stall: Stall, vendor: httpx.AsyncClient) -> None:
    queue = await stall.world.read("my-queue")
    for path in (f"/vendor/apps/{queue.id}", f"/vendor/resources/{queue.id}/oauth-grant", "/vendor/apps/nonsense"):
        answer = await vendor.get(path)
        assert (answer.status_code, answer.json()["id"]) == (404, "not_found")


async def test_a_lost_grant_is_replaced_at_any_time(stall: Stall, vendor: httpx.AsyncClient) -> None:
    stall.world.ctx.clock.advance(days=400)
    answer = await vendor.get(f"/vendor/resources/{stall.addon.id}/oauth-grant")
    grant = answer.json()
    assert set(grant) == {"code", "type", "expires_at"}
    async with stall.client(None) as anyone:
        wanted = {"grant_type": grant["type"], "code": grant["code"], "client_secret": CLIENT_SECRET.reveal()}
        tokens = (await anyone.post("/oauth/token", data=wanted)).json()
    async with stall.client(tokens["access_token"]) as api:
        assert (await api.get("/addons/my-store")).status_code == 200


async def test_there_is_no_grant_for_what_is_gone(stall: Stall, vendor: httpx.AsyncClient) -> None:
    await destroy_addon(stall.ctx, stall.world.user, AddonKey("my-store"), force=True)
    assert (await vendor.get(f"/vendor/resources/{stall.addon.id}/oauth-grant")).status_code == 200
    stall.world.provider.will(Reply(Answer.DONE, 204))
    await stall.world.run()
    assert (await vendor.get(f"/vendor/resources/{stall.addon.id}/oauth-grant")).status_code == 404


async def test_wrong_credentials_are_refused_alike_and_soon_no_longer_tried(stall: Stall) -> None:
    async with stall.client(None) as anyone:
        asked = await anyone.get("/vendor/apps")
        assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Basic realm="manifest"')
        wrong = await anyone.get("/vendor/apps", auth=("store", "wrong"))
        unknown = await anyone.get("/vendor/apps", auth=("nothing", PASSWORD))
        assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
        for _ in range(ATTEMPTS - 1):
            assert (await anyone.get("/vendor/apps", auth=("store", "guess"))).status_code == 401
        assert (await anyone.get("/vendor/apps", auth=("store", PASSWORD))).status_code == 429
        stall.world.ctx.clock.advance(minutes=1)
        assert (await anyone.get("/vendor/apps", auth=("store", PASSWORD))).status_code == 200


async def test_a_removal_that_is_accepted_and_never_ended_is_an_orphan_after_twelve_hours(stall: Stall) -> None:
    world = stall.world
    await destroy_addon(world.ctx, world.user, AddonKey("my-store"), force=True)
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    await world.run(hours=11, minutes=59)
    assert (await world.read(stall.addon.id)).state is AddonState.DEPROVISIONING
    await world.run(minutes=1)
    assert (await world.read(stall.addon.id)).state is AddonState.DEPROVISIONED
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Orphan.addon_id))).scalars().all() == [stall.addon.id]
    late = await stall.api.post("/addons/my-store/actions/deprovision")
    assert late.status_code == 401
