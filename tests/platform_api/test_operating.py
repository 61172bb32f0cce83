"""The ledger, forgetting, health and pending operations over HTTP: what operators see, and what others do not."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from broker.accounts.models import User
from broker.addons.destroy import destroy_addon
from broker.addons.ports import Answer, Reply
from broker.addons.reconcile import reconcile
from broker.addons.resolve import AddonKey
from broker.kernel.context import Actor, Context
from tests.addons.conftest import World, make_world
from tests.domain import new_user
from tests.platform_api.conftest import client_of, token_of

ORPHAN = {
    "id", "provider", "service", "addon_id", "addon", "app", "ownership", "resource_id", "plan", "price_cents", "currency",
    "reason", "since", "state", "attempts", "next_attempt_at", "last_answer", "history", "updated_at",
}  # fmt: skip


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest.fixture
async def operator(ctx: Context, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's client."""
    actor = await new_user(ctx, "operator@example.com")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == actor.id).values(is_operator=True))
    async with client_of(app, await token_of(ctx, actor)) as client:
        yield client


async def test_what_is_forgotten_appears_in_the_ledger_until_it_is_resolved(
    operator: httpx.AsyncClient, api: httpx.AsyncClient, world: World
) -> None:
    addon = await world.provisioned("store:big")
    body = {"reason": "gone for good"}
    forgotten = await operator.post(f"/addons/{addon.name}/actions/forget", json=body)
    assert (forgotten.status_code, forgotten.json()["state"]) == (200, "deprovisioned")
    shown = (await api.get(f"/addons/{addon.id}")).json()
    assert (shown["state"], shown["reason"]) == ("deprovisioned", "Forgotten by an operator: gone for good")
    (orphan,) = (await operator.get("/orphans")).json()
    assert set(orphan) == ORPHAN
    expected = {"service": "store", "plan": "store:big", "price_cents": 5000, "state": "open", "attempts": 0}
    assert expected.items() <= orphan.items()
    assert (orphan["addon_id"], orphan["addon"], orphan["app"]) == (str(addon.id), addon.name, "shop")
    path = f"/orphans/{orphan['id']}"
    assert (await operator.get(path)).json() == orphan
    assert (await operator.post(f"{path}/actions/retry")).status_code == 200
    unsaid = await operator.post(f"{path}/actions/resolve", json={})
    assert (unsaid.status_code, unsaid.json()["message"]) == (422, "reason: is required.")
    resolved = await operator.post(f"{path}/actions/resolve", json={"reason": "deleted by hand"})
    assert (resolved.status_code, resolved.json()["state"]) == (200, "resolved")
    assert (await operator.post(f"{path}/actions/retry")).status_code == 409
    assert (await operator.get("/orphans", params={"state": "open"})).json() == []
    assert (await operator.get("/orphans", params={"state": "lost"})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orphans"),
        ("GET", "/orphans/{id}"),
        ("POST", "/orphans/{id}/actions/retry"),
        ("POST", "/orphans/{id}/actions/resolve"),
        ("POST", "/addons/{id}/actions/forget"),
        ("POST", "/reconcile-runs"),
        ("GET", "/reconcile-runs"),
        ("GET", "/reconcile-runs/{id}"),
    ],
)
async def test_for_everybody_else_these_endpoints_do_not_exist(
    api: httpx.AsyncClient, world: World, method: str, path: str
) -> None:
    addon = await world.provisioned()
    refused = await api.request(method, path.format(id=addon.id), json={} if method == "POST" else None)
    assert (refused.status_code, refused.json()["id"]) == (404, "not_found")


async def test_health_of_one_and_of_all(api: httpx.AsyncClient, world: World) -> None:
    untouched = (await api.get("/addon-services/store/health")).json()
    assert (untouched["circuit"], untouched["faults"], untouched["last_ok_at"]) == ("closed", 0, None)
    addon = await world.provisioned()
    well = (await api.get("/addon-services/store/health")).json()
    assert (well["circuit"], well["running"], well["queued"]) == ("closed", 0, 0)
    assert well["last_ok_at"] == world.ctx.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(*[Reply(Answer.SERVER_ERROR, 502)] * 5)
    for _ in range(5):
        await world.run(minutes=1)
    (ill,) = (await api.get("/provider-health")).json()
    assert (ill["service"], ill["circuit"], ill["faults"], ill["last_fault"]) == (
        "store",
        "open",
        5,
        "server_error 502",
    )
    assert (ill["queued"], ill["last_fault_at"] > well["last_ok_at"], ill["next_try_at"] > ill["last_fault_at"]) == (
        1,
        True,
        True,
    )
    assert (await api.get("/addon-services/nothing/health")).status_code == 404


async def test_pending_operations_tell_why_and_when_next_and_are_those_of_the_account(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, world: World
) -> None:
    assert (await api.get("/operations")).json() == []
    addon = await world.provisioned()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.UNAUTHORIZED, 401))
    await world.run()
    (pending,) = (await api.get("/operations")).json()
    assert (pending["addon"], pending["app"]) == ({"id": str(addon.id), "name": addon.name}, {"name": "shop"})
    assert (pending["kind"], pending["state"], pending["attempts"]) == ("deprovision", "pending", 1)
    assert pending["reason"] == "Store failed to answer properly. Nothing is charged; try again later."
    assert pending["created_at"] < pending["deadline_at"]
    assert pending["next_attempt_at"] is not None
    assert (await intruder.get("/operations")).json() == []


async def test_a_run_of_reconcile_is_started_done_by_a_worker_and_read(
    operator: httpx.AsyncClient, world: World
) -> None:
    started = await operator.post("/reconcile-runs", json={"service": "store", "fix": True})
    assert (started.status_code, started.json()["state"], started.json()["report"]) == (201, "pending", None)
    run_id = UUID(started.json()["id"])
    await reconcile(world.ctx, lambda _: world.provider, run_id)
    run = (await operator.get(f"/reconcile-runs/{run_id}")).json()
    assert (run["state"], run["service"], run["fix"], run["requested_by"]) == (
        "finished",
        "store",
        True,
        "operator@example.com",
    )
    assert run["report"]["drifts"] == []
    assert (await operator.get("/reconcile-runs")).json() == [run]
    assert (await operator.post("/reconcile-runs", json={"service": "nothing"})).status_code == 404
    assert (await operator.get("/reconcile-runs/nothing")).status_code == 404
