"""Payers, transfers, trials, scheduled changes and tags over HTTP. The rules have their tests beside the use cases."""

import httpx
import pytest

from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from tests.addons.conftest import World, done, make_world
from tests.addons.test_trials import TRIED


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    made = await make_world(ctx, alice)
    await publish(ctx, parse(TRIED), SYSTEM)
    return made


async def test_an_app_is_transferred_as_the_public_api_says(
    world: World, api: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    await world.provisioned("store:big")
    assert (await api.get("/account/app-transfers")).json() == []
    body = {"app": {"name": "shop"}, "recipient": "mallory@example.com", "silent": True}
    made = await api.post("/account/app-transfers", json=body)
    assert (made.status_code, made.json()["state"], made.json()["app"]["name"]) == (201, "pending", "shop")
    path = f"/account/app-transfers/{made.json()['id']}"
    assert (await api.post("/account/app-transfers", json=body)).status_code == 409
    assert (await intruder.patch(path, json={"state": "maybe"})).status_code == 422
    assert (await api.patch(path, json={"state": "accepted"})).status_code == 403
    shown = (await intruder.get("/account/app-transfers/shop")).json()
    assert shown == made.json() | {"plans": shown["plans"]}
    big = {"plan": "store:big", "price_cents": 5000, "currency": "usd", "metered": False}
    assert (await intruder.get("/account/app-transfers")).json()[0]["plans"] == shown["plans"] == [big]
    taken = await intruder.patch("/account/app-transfers/shop", json={"state": "accepted"})
    assert (taken.status_code, taken.json()["state"]) == (200, "accepted")
    assert (await intruder.get("/apps/shop")).json()["owner"]["email"] == "mallory@example.com"
    assert (await api.get("/apps/shop")).status_code == 404
    again = await intruder.patch(path, json={"state": "declined"})
    assert (again.status_code, again.json()["message"]) == (409, "That transfer is accepted already.")
    await intruder.post("/account/app-transfers", json={"app": "shop", "recipient": "alice@example.com"})
    assert (await api.delete("/account/app-transfers/shop")).json()["state"] == "declined"


async def test_an_add_on_is_billed_elsewhere_or_offered(
    world: World, api: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    addon = await world.provisioned("store:big")
    path = f"/addons/{addon.name}/actions/transfer"
    for wrong in ({}, {"app": "second", "recipient": "mallory@example.com"}):
        assert (await api.post(path, json=wrong)).status_code == 422
    await api.post("/apps", json={"name": "second"})
    assert (await api.post(path, json={"app": "second"})).json()["app"]["name"] == "second"
    offered = await api.post(path, json={"recipient": {"email": "mallory@example.com"}})
    assert (offered.status_code, offered.json()["addon"]["name"]) == (201, addon.name)
    await intruder.post("/apps", json={"name": "theirs"})
    theirs = f"/account/addon-transfers/{addon.name}"
    assert "app" in (await intruder.patch(theirs, json={"state": "accepted"})).json()["message"]
    taken = await intruder.patch(theirs, json={"state": "accepted", "app": "theirs"})
    assert (taken.status_code, (await intruder.get("/account/addon-transfers")).json()) == (200, [taken.json()])
    assert (await intruder.get(f"/addons/{addon.name}")).json()["app"]["name"] == "theirs"


async def test_somebody_pays_and_sees_what_it_costs_by_tags(
    world: World, api: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    addon = await world.provisioned("store:big")
    assert (await api.get("/apps/shop/payer")).json()["message"] == "shop is paid for by its owner, alice@example.com."
    asked = await api.put("/apps/shop/payer", json={"payer": "mallory@example.com"})
    assert (asked.status_code, asked.json()["state"]) == (201, "pending")
    assert (await intruder.get("/account/payers")).json()[0]["plans"][0]["price_cents"] == 5000
    agreed = await intruder.post("/account/payers/shop/actions/accept")
    assert (agreed.status_code, agreed.json()["state"]) == (200, "accepted")
    assert (await api.get("/apps/shop/payer")).json() == agreed.json()
    assert (await intruder.get(f"/account/payers/{agreed.json()['id']}")).json() == agreed.json()
    assert (await api.get(f"/addons/{addon.name}/terms")).json()["payer"]["email"] == "mallory@example.com"
    assert (await api.patch("/apps/shop/tags", json={"tags": {"team": "growth"}})).json() == {
        "tags": {"team": "growth"}
    }
    assert (await intruder.get("/apps/shop/tags")).status_code == 404
    await intruder.patch("/account/tags", json={"tags": {"client": "alice", "team": None}})
    (line,) = (await intruder.get("/account/costs?app=shop")).json()["statements"][0]["lines"]
    assert (line["app"]["name"], line["tags"]) == ("shop", {"client": "alice", "team": "growth"})
    ended = await api.post("/account/payers/shop/actions/end")
    assert [item["state"] for item in (await intruder.get("/account/payers")).json()] == [ended.json()["state"]]


async def test_trials_and_scheduled_changes_are_told_with_the_add_on(world: World, api: httpx.AsyncClient) -> None:
    plan = (await api.get("/addon-services/store/plans/store:pro")).json()
    assert plan["trial_days"] == 5
    made = await api.post("/apps/shop/addons", json={"plan": "store:pro", "accept_trial_end": True, "name": "tried"})
    assert made.status_code == 201
    (trial,) = (await api.get("/account/trials")).json()
    assert (trial["addon"]["name"], trial["ends_at"], trial["outcome"]) == ("tried", None, None)
    assert trial["accepted_at"] == "2026-11-21T09:54:07Z"
    assert (await api.post("/addons/tried/actions/refuse-trial-end")).json()["accepted_at"] is None
    assert (await api.put("/addons/tried/scheduled-plan-change", json={"plan": "big"})).status_code == 409
    world.provider.will(done("store://tried"))
    addon = await world.provisioned("store:big")
    path = f"/addons/{addon.name}/scheduled-plan-change"
    scheduled = await api.put(path, json={"plan": "free"})
    assert scheduled.json() == {
        "plan": "store:free",
        "effective_at": "2026-12-01T00:00:00Z",
        "asked_by": "alice@example.com",
    }
    terms = (await api.get(f"/addons/{addon.name}/terms")).json()
    assert (terms["trial"], terms["scheduled_plan_change"]) == (None, scheduled.json())
    at_the_end = {"plan": "huge", "effective": "period_end"}
    assert (await api.patch(f"/apps/shop/addons/{addon.name}", json=at_the_end)).json()["plan"]["name"] == "store:big"
    assert (await api.get(f"/addons/{addon.name}/terms")).json()["scheduled_plan_change"]["plan"] == "store:huge"
    wrong = await api.patch(f"/apps/shop/addons/{addon.name}", json=at_the_end | {"effective": "soon"})
    assert (wrong.status_code, wrong.json()["id"]) == (422, "invalid_params")
    await api.put(path, json={"plan": "free"})
    assert (await api.delete(path)).json() == scheduled.json()
    assert (await api.delete(path)).status_code == 404
