"""Budgets over HTTP: the shapes, the refusals, and a request from its asking to its use."""

from typing import Any

import httpx
import pytest

from broker.kernel.context import Actor, Context, Scope
from tests.addons.conftest import World, make_world
from tests.platform_api.conftest import client_of, token_of

BUDGET = {"id", "scope", "limit_minor", "used_minor", "currency", "month", "policy", "created_at", "updated_at"}


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


async def put(api: httpx.AsyncClient, limit: int, **more: Any) -> dict[str, Any]:
    answer = await api.post("/account/budgets", json={"limit_minor": limit, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_budget_is_set_shown_changed_and_removed(api: httpx.AsyncClient, world: World) -> None:
    made = await put(api, 5000, scope={"kind": "app", "name": "shop"})
    assert (set(made), made["scope"]["name"], made["used_minor"], made["policy"]) == (BUDGET, "shop", 0, "block_new")
    path = f"/account/budgets/{made['id']}"
    assert (await api.get(path)).json() == made
    changed = (await api.patch(path, json={"limit_minor": 7000, "policy": "notify"})).json()
    assert (changed["limit_minor"], changed["policy"]) == (7000, "notify")
    assert (await api.get("/account/budgets")).json() == [changed]
    assert (await api.get(f"{path}/notices")).json() == []
    assert (await api.delete(path)).status_code == 200
    assert (await api.get(path)).status_code == 404


async def test_what_exceeds_it_is_402_and_can_be_asked_for(
    api: httpx.AsyncClient, app: Any, ctx: Context, alice: Actor, world: World
) -> None:
    await put(api, 100)
    async with client_of(app, await token_of(ctx, alice, Scope.WRITE_PROTECTED)) as agent:
        plain = await agent.post("/apps/shop/addons", json={"plan": "store:big"})
        assert (plain.status_code, plain.json()["id"]) == (402, "budget_exceeded")
        assert (plain.json()["amount_minor"], (await api.get("/account/budget-requests")).json()) == (1598, [])
        asked = await agent.post("/apps/shop/addons", json={"plan": "store:big", "request": True})
        path = f"/account/budget-requests/{asked.json()['request']}"
        assert (asked.status_code, (await agent.get(path)).json()["state"]) == (402, "pending")
        assert (await agent.post(f"{path}/actions/approve")).status_code == 403
        assert (await api.post(f"{path}/actions/approve")).json()["state"] == "approved"
        made = await agent.post("/apps/shop/addons", json={"plan": "store:big"})
        assert (made.status_code, (await agent.get(path)).json()["used_at"] is None) == (201, False)
        assert (await api.post(f"{path}/actions/refuse")).status_code == 409


async def test_a_request_with_an_idempotency_key_can_be_sent_again_when_it_is_approved(
    api: httpx.AsyncClient, world: World
) -> None:
    await put(api, 100)
    key, body = {"idempotency-key": "once"}, {"plan": "store:big", "request": True}
    asked = await api.post("/apps/shop/addons", json=body, headers=key)
    await api.post(f"/account/budget-requests/{asked.json()['request']}/actions/approve")
    assert (await api.post("/apps/shop/addons", json=body, headers=key)).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limit_minor": -1},
        {"limit_minor": 1.5},
        {"limit_minor": 1, "policy": "panic"},
        {"limit_minor": 1, "scope": {"kind": "planet"}},
        {"limit_minor": 1, "scope": {"kind": "app"}},
        {"limit_minor": 1, "currency": "dollars"},
    ],
)
async def test_what_is_no_budget_is_refused(api: httpx.AsyncClient, world: World, body: dict[str, Any]) -> None:
    answer = await api.post("/account/budgets", json=body)
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


async def test_the_budgets_of_others_are_not_there(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, world: World
) -> None:
    made = await put(api, 5000)
    for path in (f"/account/budgets/{made['id']}", f"/account/budgets/{made['id']}/notices"):
        assert (await intruder.get(path)).status_code == 404
    assert (await intruder.get("/account/budgets")).json() == []
    body = {"limit_minor": 1, "scope": {"kind": "app", "name": "shop"}}
    assert (await intruder.post("/account/budgets", json=body)).status_code == 404
