"""What a change would do, and that asking for it does nothing."""

import httpx
import pytest
from sqlalchemy import text

from broker.addons.attach import AttachAddon, attach
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.apps.collaborators import add_collaborator
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context
from broker.metadata import metadata
from tests.addons.conftest import World, done, make_world
from tests.platform_api.conftest import client_of, token_of

PREVIEW = "/actions/addons/preview"
BIG_MONTH = {"currency": "usd", "monthly_before_minor": 0, "monthly_after_minor": 5000, "month": "2026-11",
             "month_delta_minor": 1598, "metered": False}  # fmt: skip


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest.fixture
async def addon(world: World) -> AddonView:
    return await world.provisioned("store:big")


async def everything(ctx: Context) -> dict[str, list[str]]:
    """Every row of every table, the queue's and the schema's own included, as text."""
    names = "select tablename from pg_tables where schemaname = 'public' order by tablename"
    async with ctx.database.transaction() as tx:
        tables = (await tx.execute(text(names))).scalars().all()
        assert set(metadata.tables) <= set(tables)
        rows = {name: await tx.execute(text(f'select t::text from "{name}" t order by 1')) for name in tables}
        return {name: list(found.scalars()) for name, found in rows.items()}


async def test_adding_something(api: httpx.AsyncClient, world: World) -> None:
    found = await api.post(PREVIEW, json={"action": "create", "app": "shop", "plan": "store:big", "name": "db"})
    assert (found.status_code, found.json()) == (
        200,
        {
            "action": "create",
            "addon": "db",
            "plan": "store:big",
            "cost": BIG_MONTH,
            "apps": [
                {
                    "name": "shop",
                    "release": 2,
                    "added": ["STORE_TOKEN", "STORE_URL"],
                    "changed": [],
                    "removed": [],
                    "may_change": [],
                }
            ],
            "reversible": True,
            "reversibility": "Destroying the add-on; the time until then is paid for.",
            "obstacles": [],
        },
    )


async def test_what_adding_costs_is_what_is_forecast_when_it_is_added(api: httpx.AsyncClient, world: World) -> None:
    told = (await api.post(PREVIEW, json={"action": "create", "app": "shop", "plan": "store:huge"})).json()
    await api.post("/apps/shop/addons", json={"plan": "store:huge"})
    world.provider.will(done())
    await world.run()
    (costs,) = (await api.get("/account/costs")).json()["statements"]
    assert costs["forecast"]["total_minor"] == told["cost"]["month_delta_minor"] == 15979


async def test_adding_over_what_is_there_shows_what_would_be_overwritten(api: httpx.AsyncClient, world: World) -> None:
    await api.patch("/apps/shop/config-vars", json={"MINE_URL": "http://old.example.com"})
    body = {"action": "create", "app": "shop", "plan": "store:free", "attachment": "MINE"}
    found = (await api.post(PREVIEW, json=body)).json()
    assert [obstacle["id"] for obstacle in found["obstacles"]] == ["confirmation_required"]
    assert (found["apps"][0]["added"], found["apps"][0]["changed"]) == (["MINE_TOKEN"], ["MINE_URL"])
    assert "old.example" not in str(found)
    confirmed = (await api.post(PREVIEW, json={**body, "confirm": "shop"})).json()
    assert (confirmed["obstacles"], confirmed["apps"]) == ([], found["apps"])


async def test_a_name_that_is_taken_is_a_conflict(api: httpx.AsyncClient, addon: AddonView) -> None:
    body = {"action": "create", "app": "shop", "plan": "store:free", "name": addon.name}
    (conflict,) = (await api.post(PREVIEW, json=body)).json()["obstacles"]
    assert conflict == {"id": "invalid_params", "message": "Name is already taken"}


async def test_a_budget_in_the_way_is_named(api: httpx.AsyncClient, world: World) -> None:
    assert (await api.post("/account/budgets", json={"limit_minor": 100})).status_code == 201
    found = (await api.post(PREVIEW, json={"action": "create", "app": "shop", "plan": "store:big"})).json()
    assert [obstacle["id"] for obstacle in found["obstacles"]] == ["budget_exceeded"]
    assert found["cost"] == BIG_MONTH


async def test_changing_the_plan(api: httpx.AsyncClient, addon: AddonView) -> None:
    found = (await api.post(PREVIEW, json={"action": "change_plan", "addon": addon.name, "plan": "huge"})).json()
    cost = found["cost"]
    assert (cost["monthly_before_minor"], cost["monthly_after_minor"], cost["month_delta_minor"]) == (
        5000,
        50000,
        14381,
    )
    assert [(app["name"], app["release"], app["may_change"]) for app in found["apps"]] == [
        ("shop", None, ["STORE_URL"])
    ]
    down = (await api.post(PREVIEW, json={"action": "change_plan", "addon": addon.name, "plan": "free"})).json()
    assert down["cost"]["month_delta_minor"] == -1598


async def test_a_change_while_another_one_is_under_way_is_a_conflict(
    api: httpx.AsyncClient, world: World, addon: AddonView
) -> None:
    await api.patch(f"/apps/shop/addons/{addon.name}", json={"plan": "store:huge"})
    found = (await api.post(PREVIEW, json={"action": "change_plan", "addon": addon.name, "plan": "free"})).json()
    assert [obstacle["id"] for obstacle in found["obstacles"]] == ["conflict"]


async def test_destroying_what_others_use(api: httpx.AsyncClient, ctx: Context, world: World, addon: AddonView) -> None:
    await create_app(ctx, world.user, CreateApp(name="other"))
    await attach(ctx, world.user, AttachAddon(AddonKey(addon.name), "other", "THEIRS"))
    found = (await api.post(PREVIEW, json={"action": "destroy", "addon": addon.name})).json()
    assert (found["reversible"], found["cost"]["month_delta_minor"]) == (False, -1598)
    assert [(app["name"], app["release"], app["removed"]) for app in found["apps"]] == [
        ("shop", 3, ["STORE_URL"]), ("other", 3, ["THEIRS_URL"])
    ]  # fmt: skip
    assert "attached to other apps: other" in found["obstacles"][0]["message"]
    forced = (await api.post(PREVIEW, json={"action": "destroy", "addon": addon.name, "force": True})).json()
    assert (forced["obstacles"], forced["apps"]) == ([], found["apps"])


async def test_attaching_and_detaching(api: httpx.AsyncClient, ctx: Context, world: World, addon: AddonView) -> None:
    await create_app(ctx, world.user, CreateApp(name="other"))
    body = {"action": "attach", "addon": addon.name, "app": "other", "attachment": "DATA"}
    found = (await api.post(PREVIEW, json=body)).json()
    assert (found["cost"], found["apps"][0]["name"], found["apps"][0]["added"]) == (None, "other", ["DATA_URL"])
    (attachment,) = (await api.get(f"/addons/{addon.name}/addon-attachments")).json()
    off = (await api.post(PREVIEW, json={"action": "detach", "attachment": attachment["id"]})).json()
    assert (off["apps"][0]["name"], off["apps"][0]["removed"], off["obstacles"]) == ("shop", ["STORE_URL"], [])


async def test_a_preview_writes_nothing(api: httpx.AsyncClient, ctx: Context, world: World, addon: AddonView) -> None:
    """Not a row of any table is another one afterwards, whatever was previewed, whether it is allowed or not."""
    await create_app(ctx, world.user, CreateApp(name="other"))
    await api.post("/account/budgets", json={"limit_minor": 2000})
    (attachment,) = (await api.get(f"/addons/{addon.name}/addon-attachments")).json()
    before = await everything(ctx)
    for body in (
        {"action": "create", "app": "shop", "plan": "store:free"},
        {"action": "create", "app": "shop", "plan": "store:huge"},
        {"action": "create", "app": "shop", "plan": "store:free", "name": addon.name},
        {"action": "change_plan", "addon": addon.name, "plan": "free"},
        {"action": "change_plan", "addon": addon.name, "plan": "huge"},
        {"action": "destroy", "addon": addon.name},
        {"action": "attach", "addon": addon.name, "app": "other"},
        {"action": "move", "addon": addon.name, "app": "other"},
        {"action": "attach", "addon": addon.name, "app": "shop", "attachment": "STORE", "confirm": "shop"},
        {"action": "detach", "attachment": attachment["id"]},
    ):
        assert (await api.post(PREVIEW, json=body)).status_code == 200, body
    assert await everything(ctx) == before


async def test_collaborators_see_what_changes_and_no_money(
    ctx: Context, app: object, world: World, mallory: Actor, addon: AddonView
) -> None:
    await add_collaborator(ctx, world.user, "shop", mallory.email)
    async with client_of(app, await token_of(ctx, mallory)) as theirs:  # type: ignore[arg-type]  # it is the application
        free = await theirs.post(PREVIEW, json={"action": "create", "app": "shop", "plan": "store:free"})
        assert (free.status_code, free.json()["cost"]) == (200, None)
        for body in (
            {"action": "create", "app": "shop", "plan": "store:big"},
            {"action": "destroy", "addon": addon.name},
        ):
            assert (await theirs.post(PREVIEW, json=body)).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"action": "explode"}, 422),
        ({"action": "create", "app": "shop"}, 422),
        ({"action": "create", "app": "shop", "plan": "store:none"}, 422),
        ({"action": "create", "app": "nowhere", "plan": "store:free"}, 404),
        ({"action": "destroy", "addon": "nothing"}, 404),
        ({"action": "detach", "attachment": "nothing"}, 404),
    ],
)
async def test_what_can_not_be_previewed_is_refused(
    api: httpx.AsyncClient, world: World, body: dict[str, str], status: int
) -> None:
    assert (await api.post(PREVIEW, json=body)).status_code == status


async def test_what_is_somebody_else_s_is_not_there(intruder: httpx.AsyncClient, addon: AddonView) -> None:
    for body in ({"action": "destroy", "addon": addon.name}, {"action": "create", "app": "shop", "plan": "store:free"}):
        assert (await intruder.post(PREVIEW, json=body)).status_code == 404


async def test_billing_it_to_another_app(api: httpx.AsyncClient, world: World, addon: AddonView, ctx: Context) -> None:
    await create_app(ctx, world.user, CreateApp(name="reports"))
    told = (await api.post(PREVIEW, json={"action": "move", "addon": addon.name, "app": "reports"})).json()
    assert (told["cost"], told["obstacles"], told["reversible"]) == (None, [], True)
    (app,) = told["apps"]
    assert (app["name"], app["release"], app["added"], app["changed"]) == ("reports", 2, ["STORE_URL"], [])
    nowhere = await api.post(PREVIEW, json={"action": "move", "addon": addon.name, "app": "nowhere"})
    assert nowhere.status_code == 404
    await api.post(f"/addons/{addon.name}/actions/transfer", json={"app": "reports"})
    again = (await api.post(PREVIEW, json={"action": "move", "addon": addon.name, "app": "reports"})).json()
    assert again["apps"] == []
