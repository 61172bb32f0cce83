"""Add-ons and attachments over HTTP, with a provider that answers what the test tells it to."""

from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from broker.addons.ports import Answer, Reply
from broker.kernel.context import Actor, Context
from tests.addons.conftest import World, make_world

MINI = {"plan": "store"}


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


async def created(api: httpx.AsyncClient, world: World, **more: object) -> dict[str, object]:
    made = await api.post("/apps/shop/addons", json={**MINI, **more})
    assert made.status_code == 201, made.text
    world.provider.will(Reply(Answer.DONE, 200, provider_id=f"remote-{made.json()['id']}"))
    await world.run()
    shown: dict[str, object] = (await api.get(f"/addons/{made.json()['id']}")).json()
    return shown


@pytest.mark.parametrize("plan", ["store", "store:free", {"name": "store"}, {"name": "store:free"}])
async def test_an_addon_is_made_in_the_background_and_then_provisioned(
    api: httpx.AsyncClient, world: World, plan: object
) -> None:
    body = {"plan": plan, "attachment": {}, "config": {"fast": True, "region": "us"}}
    made = await api.post("/apps/shop/addons", json=body, headers={"accept-expansion": "plan"})
    assert made.status_code == 201
    addon = made.json()
    assert (addon["state"], addon["plan"]["name"], addon["addon_service"]["name"]) == (
        "provisioning",
        "store:free",
        "store",
    )
    assert addon["billed_price"] == addon["plan"]["price"] | {}
    assert addon["billed_price"]["cents"] == 0
    assert addon["config_vars"] == ["STORE_URL", "STORE_TOKEN"]
    polled = (await api.get(f"/apps/{addon['app']['name']}/addons/{addon['name']}")).json()
    assert polled["state"] == "provisioning"
    world.provider.will(Reply(Answer.DONE, 200, message="Welcome!"))
    await world.run()
    polled = (await api.get(f"/apps/{addon['app']['name']}/addons/{addon['name']}")).json()
    assert (polled["state"], polled["provision_message"]) == ("provisioned", "Welcome!")
    assert world.provider.calls[0].options == {"fast": "true", "region": "us"}


async def test_every_list_shows_it_and_every_key_finds_it(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world, name="my-store", attachment={"name": "DATA"})
    for path in ("/addons", "/apps/shop/addons", "/users/~/addons"):
        assert [item["id"] for item in (await api.get(path)).json()] == [addon["id"]]
    for key, app in [
        ("my-store", None),
        (addon["id"], None),
        ("my-store", "shop"),
        ("DATA", "shop"),
        ("data", "shop"),
        ("DATA_URL", "shop"),
        ("store", "shop"),
        ("store:free", "shop"),
        ("shop::DATA", None),
        ("shop::my-store", None),
    ]:
        found = await api.post("/actions/addons/resolve", json={"addon": key, "app": app})
        assert (found.status_code, [item["id"] for item in found.json()]) == (200, [addon["id"]]), (key, app)
    missing = await api.post("/actions/addons/resolve", json={"addon": "nothing", "app": "shop"})
    assert (missing.status_code, missing.json()["id"], missing.json()["resource"]) == (404, "not_found", "add_on")


async def test_a_key_that_fits_several_is_refused_with_their_names(api: httpx.AsyncClient, world: World) -> None:
    for name in ("store-one", "store-two"):
        await created(api, world, name=name)
    refused = await api.post("/actions/addons/resolve", json={"addon": "store:free", "app": "shop"})
    assert (refused.status_code, refused.json()["id"]) == (422, "multiple_matches")
    assert "found: store-one, store-two" in refused.json()["message"]


async def test_attachments_are_shown_joined_and_found(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world, name="my-store")
    await api.post("/apps", json={"name": "second"})
    body = {"addon": {"name": "my-store"}, "app": {"name": "second"}, "name": "SHARED"}
    made = await api.post("/addon-attachments", json=body)
    assert (made.status_code, made.json()["name"]) == (201, "SHARED")
    attachment = made.json()
    assert attachment["addon"]["app"]["name"] == "shop"
    assert attachment["addon"]["plan"]["name"] == "store:free"
    assert attachment["config_vars"] == ["SHARED_URL", "SHARED_TOKEN"]
    names = [item["name"] for item in (await api.get("/addon-attachments")).json()]
    assert names == ["STORE", "SHARED"]
    assert len((await api.get(f"/addons/{addon['id']}/addon-attachments")).json()) == 2
    assert (await api.get("/apps/second/addon-attachments")).json() == [attachment]
    assert (await api.get("/apps/second/addon-attachments/shared")).json() == attachment
    assert (await api.get(f"/addon-attachments/{attachment['id']}")).json() == attachment
    for key in ("SHARED", "SHARED_URL", "my-store", attachment["id"]):
        found = await api.post("/actions/addon-attachments/resolve", json={"addon_attachment": key, "app": "second"})
        assert found.json() == [attachment], key
    newest = (await api.get("/apps/second/releases", headers={"range": "version ..; max=1, order=desc"})).json()[0]
    assert newest["description"] == "Attach SHARED (my-store)"
    assert [item["name"] for item in (await api.get("/apps/second/addons")).json()] == ["my-store"]
    gone = await api.delete(f"/addon-attachments/{attachment['id']}")
    assert (gone.status_code, gone.json()["name"]) == (200, "SHARED")
    assert (await api.get(f"/addon-attachments/{attachment['id']}")).status_code == 404


async def test_overwriting_an_attachment_asks_for_the_name_of_the_app(api: httpx.AsyncClient, world: World) -> None:
    await created(api, world, attachment={"name": "DATA"})
    body = {**MINI, "attachment": {"name": "DATA"}}
    asked = await api.post("/apps/shop/addons", json=body)
    assert (asked.status_code, asked.json()["id"], asked.json()["app"]) == (
        423,
        "confirmation_required",
        {"name": "shop"},
    )
    assert (await api.post("/apps/shop/addons", json={**body, "confirm": "other"})).status_code == 423
    assert (await api.post("/apps/shop/addons", json={**body, "confirm": "shop"})).status_code == 201


async def test_plan_and_name_are_changed(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world, name="my-store")
    path = f"/apps/shop/addons/{addon['name']}"
    assert (await api.patch(path, json={"plan": {"name": "store:big"}})).json()["plan"]["name"] == "store:free"
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run()
    changed = (await api.get(path)).json()
    assert (changed["plan"]["name"], changed["billed_price"]["cents"]) == ("store:big", 5000)
    assert (await api.patch(path, json={"plan": "big"})).json()["plan"]["name"] == "store:big"
    by_id = f"/apps/{addon['app']['id']}/addons/{addon['id']}"
    assert (await api.patch(by_id, json={"name": "renamed"})).json()["name"] == "renamed"
    assert (await api.get(path)).status_code == 404
    unknown = await api.patch(by_id, json={"plan": {"name": "store:none"}})
    assert unknown.status_code == 422
    assert unknown.json()["message"].startswith("Couldn't find either the add-on")
    nothing = await api.patch(by_id, json={})
    assert (nothing.status_code, nothing.json()["message"]) == (422, "plan: is required, or `name`.")


async def test_an_addon_is_destroyed_and_is_seen_to_be_gone(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world)
    path = f"/apps/{addon['app']['id']}/addons/{addon['id']}"
    going = await api.request("DELETE", path, json={"force": False})
    assert (going.status_code, going.json()["state"]) == (200, "deprovisioning")
    assert (await api.get("/apps/shop/config-vars")).json() == {}
    world.provider.will(Reply(Answer.GONE, 410))
    await world.run()
    assert (await api.get("/addons")).json() == []
    assert (await api.get(path)).json()["state"] == "deprovisioned"
    (deprovision, provision) = (await api.get(f"/addons/{addon['id']}/operations")).json()
    assert (deprovision["kind"], deprovision["state"], provision["kind"]) == ("deprovision", "succeeded", "provision")


async def test_a_shared_addon_is_destroyed_by_force_only(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world, name="my-store")
    await api.post("/apps", json={"name": "second"})
    await api.post("/addon-attachments", json={"addon": "my-store", "app": "second"})
    path = f"/apps/shop/addons/{addon['id']}"
    refused = await api.delete(path)
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert "second" in refused.json()["message"]
    assert (await api.request("DELETE", path, json={"force": True})).json()["state"] == "deprovisioning"


async def test_destroying_an_app_takes_its_addons_along(api: httpx.AsyncClient, world: World) -> None:
    addon = await created(api, world)
    assert (await api.delete("/apps/shop")).status_code == 200
    assert (await api.get(f"/addons/{addon['id']}")).json()["state"] == "deprovisioning"
    world.provider.will(Reply(Answer.GONE, 410))
    await world.run()
    assert world.provider.calls[-1].uuid == UUID(str(addon["id"]))


async def test_what_reserves_a_config_var_cannot_be_overwritten(api: httpx.AsyncClient, world: World) -> None:
    await api.post("/apps/shop/addons", json=MINI)
    refused = await api.patch("/apps/shop/config-vars", json={"STORE_URL": "mine"})
    assert (refused.status_code, refused.json()["message"]) == (422, "Cannot overwrite attachment values STORE_URL.")


async def test_web_urls_are_pages_of_ours_for_this_user_alone(
    api: httpx.AsyncClient, anonymous: httpx.AsyncClient, world: World
) -> None:
    addon = await created(api, world)
    (attachment,) = (await api.get("/addon-attachments")).json()
    for url in (str(addon["web_url"]), attachment["web_url"]):
        parts = urlsplit(url)
        assert parts.path == f"/sso/addons/{addon['id']}"
        assert (await anonymous.get(f"{parts.path}?{parts.query}")).status_code == 200
        assert (await anonymous.get(f"{parts.path}?{parts.query[:-2]}")).status_code == 403


async def test_services_and_plans_are_shown(api: httpx.AsyncClient, world: World) -> None:
    (service,) = (await api.get("/addon-services")).json()
    assert (service["name"], service["human_name"], service["state"]) == ("store", "Store", "ga")
    assert (await api.get("/addon-services/store")).json() == service
    plans = (await api.get("/addon-services/store/plans")).json()
    assert [(plan["name"], plan["price"]["cents"], plan["default"]) for plan in plans] == [
        ("store:free", 0, True),
        ("store:big", 5000, False),
        ("store:huge", 50000, False),
    ]
    for key in ("free", "store:free", plans[0]["id"]):
        assert (await api.get(f"/addon-services/store/plans/{key}")).json() == plans[0]
    assert (await api.get("/plans/store:big")).json() == plans[1]
    assert (await api.get("/addon-services/none")).json()["resource"] == "add_on_service"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "plan: is required."),
        ({"plan": None}, 422, "plan: must be a string."),
        ({"plan": 7}, 422, "plan: must be a string."),
        ({"plan": {"name": ["x"]}}, 422, "plan: must be a string."),
        ({"plan": "none"}, 404, "Couldn't find the add-on service"),
        ({"plan": "store:none"}, 422, "Couldn't find either the add-on service"),
        ({"plan": "store", "name": "bad name"}, 422, "name: must begin with a letter"),
        ({"plan": "store", "attachment": "X"}, 422, "attachment: must be an object."),
        ({"plan": "store", "attachment": {"name": "1"}}, 422, "attachment name: must begin"),
        ({"plan": "store", "config": []}, 422, "config: must be an object."),
        ({"plan": "store", "config": {"a": {}}}, 422, "config.a: must be a string."),
        ({"plan": "store", "config": {"a": "x" * 20000}}, 422, "config.a: must have at most"),
    ],
)
async def test_an_impossible_addon_is_refused_in_one_sentence(
    api: httpx.AsyncClient, world: World, body: dict[str, object], status: int, message: str
) -> None:
    refused = await api.post("/apps/shop/addons", json=body)
    assert (refused.status_code, refused.json()["message"][: len(message)]) == (status, message)
    assert (await api.get("/addons")).json() == []


async def test_nothing_of_somebody_elses_addon_can_be_reached(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, world: World
) -> None:
    addon = await created(api, world, name="my-store")
    (attachment,) = (await api.get("/addon-attachments")).json()
    await intruder.post("/apps", json={"name": "theirs"})
    for path in ("/addons", "/addon-attachments", "/apps/theirs/addons"):
        assert (await intruder.get(path)).json() == []
    for path in (f"/addons/{addon['id']}", "/addons/my-store", "/addons/my-store/operations", "/apps/shop/addons"):
        assert (await intruder.get(path)).status_code == 404
    assert (await intruder.get(f"/addon-attachments/{attachment['id']}")).status_code == 404
    assert (await intruder.delete(f"/addon-attachments/{attachment['id']}")).status_code == 404
    for app in ("shop", "theirs"):
        path = f"/apps/{app}/addons/my-store"
        assert (await intruder.get(path)).status_code == 404
        assert (await intruder.patch(path, json={"plan": "store:big"})).status_code == 404
        assert (await intruder.delete(path)).status_code == 404
    steal = {"addon": addon["id"], "app": "theirs"}
    assert (await intruder.post("/addon-attachments", json=steal)).status_code == 404
    assert (await intruder.post("/actions/addons/resolve", json={"addon": "my-store"})).status_code == 404
    assert (await intruder.post("/apps/shop/addons", json=MINI)).status_code == 404
    assert (await api.get("/addons/my-store")).json()["plan"]["name"] == "store:free"
