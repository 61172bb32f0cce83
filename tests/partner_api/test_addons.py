"""What a provider reads and does about its add-on, over HTTP."""

import pytest
from sqlalchemy import select

from broker.addons.destroy import destroy_addon
from broker.addons.detach import detach
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases
from broker.events.models import Event
from tests.addons.test_grants import tokens_of
from tests.partner_api.conftest import Stall

EMPTY_JSON = {"content-type": "application/json", "content-length": "0"}


async def releases(stall: Stall, app: str) -> list[str]:
    found = await list_releases(stall.ctx, stall.world.user, app, newest_first=True, limit=100)
    return [f"{view.description} by {view.actor_email}" for view in found]


async def test_info_by_id_and_name(stall: Stall) -> None:
    for key in (str(stall.addon.id), "my-store"):
        found = (await stall.api.get(f"/addons/{key}")).json()
        assert (found["id"], found["state"], found["plan"]["name"]) == (
            str(stall.addon.id),
            "provisioned",
            "store:free",
        )
        assert found["config_vars"] == ["STORE_URL", "STORE_TOKEN"]
        assert found["provider_id"] == "remote-1"
        assert found["web_url"] is None, "a sign-on link is its user's alone"


async def test_config_is_a_list_under_the_manifest_s_names(stall: Stall) -> None:
    found = (await stall.api.get("/addons/my-store/config")).json()
    assert found == [
        {"name": "STORE_URL", "value": f"store://{stall.addon.id}"},
        {"name": "STORE_TOKEN", "value": None},
    ]


async def test_new_config_is_one_release_of_each_attached_app_made_by_the_provider(stall: Stall) -> None:
    before = {app: await releases(stall, app) for app in ("shop", "other", "far")}
    config = [{"name": "STORE_URL", "value": "store://new"}, {"name": "STORE_TOKEN", "value": "t"}]
    answer = await stall.api.patch(f"/addons/{stall.addon.id}/config", json={"config": config})
    assert (answer.status_code, answer.json()) == (200, config)
    by = "(my-store) by store@addons.localhost"
    assert await releases(stall, "shop") == [f"Update STORE {by}", *before["shop"]]
    assert await releases(stall, "other") == [f"Update CACHE {by}", *before["other"]]
    assert await releases(stall, "far") == before["far"]
    given = await get_config_vars(stall.ctx, stall.world.user, "other")
    assert given == {"CACHE_URL": "store://new", "CACHE_TOKEN": "t"}


async def test_null_takes_a_value_away_and_what_is_not_named_stays(stall: Stall) -> None:
    await stall.api.patch("/addons/my-store/config", json={"config": [{"name": "STORE_TOKEN", "value": 42}]})
    answer = await stall.api.patch("/addons/my-store/config", json={"config": [{"name": "STORE_URL", "value": None}]})
    assert answer.json() == [{"name": "STORE_URL", "value": None}, {"name": "STORE_TOKEN", "value": "42"}]
    assert await get_config_vars(stall.ctx, stall.world.user, "other") == {"CACHE_TOKEN": "42"}


@pytest.mark.parametrize(
    "body",
    [
        {"config": [{"name": "PATH", "value": "/evil"}]},
        {"config": [{"name": "STORE_URL", "value": "new"}, {"name": "CACHE_URL", "value": "un-aliased names only"}]},
        {"config": [{"name": "STORE_URL", "value": "1"}, {"name": "STORE_URL", "value": "2"}]},
        {"config": [{"name": "STORE_URL"}]},
        {"config": [{"name": "STORE_URL", "value": "nul\0"}]},
        {"config": [{"name": "STORE_URL", "value": ["list"]}]},
        {"config": {"STORE_URL": "a map is the legacy form"}},
        {},
    ],
)
async def test_what_the_manifest_does_not_declare_or_is_no_config_is_refused_whole(stall: Stall, body: object) -> None:
    before = await releases(stall, "shop")
    answer = await stall.api.patch("/addons/my-store/config", json=body)
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    assert await releases(stall, "shop") == before


async def test_a_value_that_is_too_long_is_refused_in_characters(stall: Stall) -> None:
    body = {"config": [{"name": "STORE_URL", "value": "x" * 65_537}]}
    answer = await stall.api.patch("/addons/my-store/config", json=body)
    assert answer.json()["message"] == "config.0.value: must have at most 65536 characters."


async def test_a_provision_that_was_accepted_is_finished_in_one_release(stall: Stall) -> None:
    world = stall.world
    addon = await world.create(name="slow-store", attachment_name="SLOW")
    world.provider.will(Reply(Answer.ACCEPTED, 202, provider_id="r2"))
    await world.run()
    before = await releases(stall, "shop")
    async with await stall.client_for(addon.id) as api:
        config = {"config": [{"name": "STORE_URL", "value": "store://slow"}]}
        assert (await api.patch("/addons/slow-store/config", json=config)).status_code == 200
        assert await releases(stall, "shop") == before, "nothing is released while it is provisioned"
        for _ in range(2):
            answer = await api.post(f"/addons/{addon.id}/actions/provision", headers=EMPTY_JSON)
            assert (answer.status_code, answer.json()["state"]) == (200, "provisioned")
    assert await releases(stall, "shop") == ["Attach SLOW (slow-store) by store@addons.localhost", *before]
    assert (await get_config_vars(stall.ctx, world.user, "shop"))["SLOW_URL"] == "store://slow"


async def test_a_provider_gives_up_what_it_had_accepted(stall: Stall) -> None:
    addon = await stall.world.create(name="slow-store")
    stall.world.provider.will(Reply(Answer.ACCEPTED, 202))
    await stall.world.run()
    async with await stall.client_for(addon.id) as api:
        answer = await api.post("/addons/slow-store/actions/deprovision", headers=EMPTY_JSON)
        assert (answer.status_code, answer.json()["state"]) == (200, "deprovisioned")
        assert "could not provision" in answer.json()["reason"]
        assert (await api.get("/addons/slow-store")).status_code == 401, "the token ends with the add-on"


async def test_an_accepted_removal_is_ended_by_the_provider(stall: Stall) -> None:
    world = stall.world
    await destroy_addon(world.ctx, world.user, AddonKey("my-store"), force=True)
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    assert (await stall.api.get("/addons/my-store")).json()["state"] == "deprovisioning"
    config = {"config": [{"name": "STORE_URL", "value": "too late"}]}
    assert (await stall.api.patch("/addons/my-store/config", json=config)).status_code == 409
    answer = await stall.api.post("/addons/my-store/actions/deprovision", headers=EMPTY_JSON)
    assert (answer.status_code, answer.json()["state"]) == (200, "deprovisioned")
    async with world.ctx.database.transaction() as tx:
        who = select(Event.actor_email).where(Event.kind == "addon.deprovisioned")
        assert (await tx.execute(who)).scalars().all() == ["store@addons.localhost"]


async def test_a_provider_cannot_remove_what_is_in_use(stall: Stall) -> None:
    answer = await stall.api.post("/addons/my-store/actions/deprovision", headers=EMPTY_JSON)
    assert (answer.status_code, answer.json()["id"]) == (409, "conflict")
    assert (await stall.world.read(stall.addon.id)).state is AddonState.PROVISIONED


async def test_attachments_of_an_add_on_and_of_an_app(stall: Stall) -> None:
    of_addon = (await stall.api.get("/addons/my-store/addon-attachments")).json()
    assert [(item["app"]["name"], item["name"]) for item in of_addon] == [("shop", "STORE"), ("other", "CACHE")]
    of_app = (await stall.api.get("/apps/other/addon-attachments")).json()
    assert [item["name"] for item in of_app] == ["CACHE"]
    assert of_app[0]["config_vars"] == ["CACHE_URL", "CACHE_TOKEN"]
    for key in ("cache", of_app[0]["id"]):
        assert (await stall.api.get(f"/apps/other/addon-attachments/{key}")).json() == of_app[0]


async def test_an_app_is_out_of_sight_once_the_add_on_is_detached(stall: Stall) -> None:
    (_, cache) = (await stall.api.get("/addons/my-store/addon-attachments")).json()
    await detach(stall.ctx, stall.world.user, cache["id"])
    assert (await stall.api.get("/apps/other")).status_code == 404
    assert [app["name"] for app in (await stall.api.get("/apps")).json()] == ["shop"]


async def test_another_instance_on_the_same_app_is_seen_and_left_alone(stall: Stall) -> None:
    second = await stall.world.provisioned(name="second-store")
    assert [item["name"] for item in (await stall.api.get("/addons")).json()] == ["my-store", "second-store"]
    assert (await stall.api.get("/addons/second-store")).json()["id"] == str(second.id)
    for method, path in (("GET", "config"), ("PATCH", "config"), ("POST", "actions/provision")):
        answer = await stall.api.request(method, f"/addons/second-store/{path}", json={"config": []})
        assert (answer.status_code, answer.json()["id"]) == (403, "forbidden")
    assert (await tokens_of(stall.ctx, second.id)).access != stall.tokens.access
