"""What a month costs and what was used, as the Platform API tells it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from broker.addons.queries import AddonView
from broker.apps.collaborators import add_collaborator
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound
from tests.addons.conftest import World
from tests.billing.metering_world import metering_world, report, sent
from tests.domain import new_user
from tests.platform_api.conftest import client_of, token_of


@dataclass
class Shop:
    """An app with a metered add-on that was used, and one at a fixed price on another app."""

    world: World
    metered: AddonView
    fixed: AddonView


@pytest.fixture
async def shop(ctx: Context, alice: Actor) -> Shop:
    world = await metering_world(ctx, alice)
    metered = await world.provisioned("store:payg", name="meter-store")
    await sent(ctx, report(metered.id, "1", "1000.25"), report(metered.id, "2", "3", meter="errors"))
    await create_app(ctx, alice, CreateApp(name="other"))
    world.app = "other"
    fixed = await world.provisioned("store:big", name="big-store")
    world.ctx.clock.advance(hours=24)
    return Shop(world, metered, fixed)


@pytest.fixture
async def bob(ctx: Context, app: FastAPI, alice: Actor, shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A collaborator of the app `shop`."""
    bob = await new_user(ctx, "bob@example.com")
    await add_collaborator(ctx, alice, "shop", "bob@example.com")
    async with client_of(app, await token_of(ctx, bob)) as client:
        yield client


async def test_costs_are_told_line_by_line_with_their_arithmetic(shop: Shop, api: httpx.AsyncClient) -> None:
    found = (await api.get("/account/costs")).json()
    assert found["month"] == "2026-11"
    (statement,) = found["statements"]
    assert (statement["currency"], statement["now"]["total_minor"]) == ("usd", 500 + 167)
    assert statement["forecast"]["due_minor"] > statement["now"]["due_minor"]
    lines = {(line["addon"]["name"], line["meter"]): line for line in statement["lines"]}
    rows, big = lines["meter-store", "rows"], lines["big-store", None]
    assert (rows["label"], rows["quantity"], rows["amount_minor"], rows["kind"]) == (
        "Rows written", "1000.25", 500, "metered",
    )  # fmt: skip
    assert (big["app"]["name"], big["plan"], big["amount_minor"], big["seconds"]) == ("other", "store:big", 167, 86400)
    assert big["forecast_minor"] > 167
    assert big["explanation"][-1].endswith("rounded to 1.67 USD")
    assert lines["meter-store", "errors"]["amount_minor"] == 0
    assert sum(line["amount_minor"] for line in statement["lines"]) == statement["now"]["net_minor"]


async def test_costs_of_one_app_are_the_lines_of_that_app(shop: Shop, api: httpx.AsyncClient) -> None:
    found = (await api.get("/account/costs", params={"app": "other", "month": "2026-11"})).json()
    assert [line["addon"]["name"] for line in found["statements"][0]["lines"]] == ["big-store"]
    assert (await api.get("/account/costs", params={"app": "nothing"})).status_code == 404
    assert (await api.get("/account/costs", params={"month": "november"})).status_code == 422


async def test_what_is_gone_is_still_told_by_its_name(shop: Shop, api: httpx.AsyncClient) -> None:
    assert (await api.delete("/apps/other/addons/big-store")).status_code == 200
    shop.world.ctx.clock.advance(hours=1)
    found = (await api.get("/account/costs")).json()
    line = next(line for line in found["statements"][0]["lines"] if line["addon"]["name"] == "big-store")
    assert line["amount_minor"] == line["forecast_minor"] == 167


async def test_a_month_without_anything_is_an_empty_statement(api: httpx.AsyncClient) -> None:
    found = (await api.get("/account/costs")).json()
    assert [(each["lines"], each["now"]["due_minor"]) for each in found["statements"]] == [([], 0)]


async def test_collaborators_see_usage_and_no_money(shop: Shop, bob: httpx.AsyncClient) -> None:
    assert (await bob.get("/apps/shop/usage")).json()["addons"][0]["name"] == "meter-store"
    assert (await bob.get("/account/costs")).json()["statements"][0]["lines"] == []
    assert (await bob.get("/account/costs", params={"app": "shop"})).json()["statements"][0]["lines"] == []


async def test_usage_is_told_by_the_labels_of_meters(shop: Shop, api: httpx.AsyncClient) -> None:
    (addon,) = (await api.get("/apps/shop/usage")).json()["addons"]
    assert addon["id"] == str(shop.metered.id)
    assert addon["meters"]["Rows written"] == {
        "quantity": 1000.25, "exact": "1000.25", "meter": "rows", "unit": "", "kind": "counter",
    }  # fmt: skip
    assert addon["meters"]["errors"]["quantity"] == 3
    assert (await api.get("/apps/other/usage")).json() == {"addons": []}


async def test_usage_of_a_month_ends_with_it(shop: Shop, api: httpx.AsyncClient) -> None:
    shop.world.ctx.clock.advance(days=20)
    (addon,) = (await api.get("/apps/shop/usage")).json()["addons"]
    assert addon["meters"]["Rows written"]["quantity"] == 0


async def test_others_see_nothing_of_it(shop: Shop, intruder: httpx.AsyncClient) -> None:
    assert (await intruder.get("/apps/shop/usage")).status_code == 404
    refused = await intruder.get("/account/costs", params={"app": "shop"})
    assert (refused.status_code, refused.json()["message"]) == (404, NotFound("app").message)


async def test_a_metered_plan_is_never_called_free(shop: Shop, api: httpx.AsyncClient) -> None:
    plans = {plan["name"]: plan["price"] for plan in (await api.get("/addon-services/store/plans")).json()}
    kinds = {name: (price["metered"], price["kind"]) for name, price in plans.items()}
    assert kinds == {
        "store:free": (False, "free"),
        "store:big": (False, "fixed"),
        "store:huge": (False, "fixed"),
        "store:payg": (True, "metered"),
        "store:payg-plus": (True, "fixed+metered"),
    }
    addon = (await api.get("/apps/shop/addons/meter-store")).json()
    assert (addon["billed_price"]["metered"], addon["billed_price"]["cents"]) == (True, 0)
