"""Credentials over HTTP: generations, rotation of one and of all, acknowledging a release."""

import httpx
import pytest
from sqlalchemy import update

from broker.accounts.models import User
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.addons.revoke import revoke
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import client_of, token_of

ROTATION = {
    "id", "addon", "operation_id", "generation", "state", "initiated_by", "actor", "overlap_until", "apps", "attempts",
    "next_attempt_at", "last_answer", "created_at", "issued_at", "finished_at",
}  # fmt: skip


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    await publish(ctx, parse({**MANIFEST, "capabilities": ["rotate"]}), SYSTEM)
    return world


@pytest.fixture
async def addon(world: World) -> AddonView:
    return await world.provisioned()


async def test_a_rotation_from_the_request_to_the_end_of_the_old_credentials(
    api: httpx.AsyncClient, world: World, addon: AddonView
) -> None:
    begun = await api.post(f"/addons/{addon.name}/actions/rotate", json={"overlap_s": 60})
    assert (begun.status_code, set(begun.json()), begun.json()["state"]) == (200, ROTATION, "issuing")
    world.provider.will(Reply(Answer.DONE, 200, config={"STORE_URL": Secret("store://new")}), Reply(Answer.DONE, 204))
    await world.run()
    (shown,) = (await api.get(f"/addons/{addon.name}/rotations")).json()
    assert (shown["state"], shown["generation"], shown["initiated_by"]) == ("overlap", 2, "user")
    assert [(app["name"], app["how"]) for app in shown["apps"]] == [("shop", None)]
    known = (await api.get(f"/addons/{addon.name}/credentials")).json()
    assert (known["generation"], known["old_until"]) == (2, shown["overlap_until"])
    taken = await api.post("/apps/shop/releases/current/actions/acknowledge", json={"how": "broker run"})
    assert (taken.status_code, taken.json()["version"]) == (200, shown["apps"][0]["release"])
    rotations = (await api.get(f"/addons/{addon.name}/rotations")).json()
    assert rotations[0]["apps"][0]["how"] == "broker run"
    for view in rotations:
        await revoke(world.ctx, lambda _: world.provider, view["id"], 0)
    (over,) = (await api.get(f"/addons/{addon.name}/rotations")).json()
    assert (over["state"], over["last_answer"]) == ("finished", "done 204")
    assert "store://" not in str(over)


async def test_refusals_say_what_to_do(api: httpx.AsyncClient, addon: AddonView) -> None:
    path = f"/addons/{addon.name}"
    assert (await api.post(f"{path}/rotations/actions/revoke")).status_code == 409
    assert (await api.post(f"{path}/actions/rotate", json={"overlap_s": 10**9})).status_code == 422
    assert (await api.post(f"{path}/actions/rotate")).status_code == 200
    assert (await api.post(f"{path}/actions/refresh")).status_code == 409
    assert (await api.post("/apps/shop/releases/99/actions/acknowledge")).status_code == 404
    wrong = await api.post("/apps/shop/releases/1/actions/acknowledge", json={"how": "webhook"})
    assert (wrong.status_code, wrong.json()["id"]) == (422, "invalid_params")


async def test_what_is_somebody_else_s_is_not_there(intruder: httpx.AsyncClient, addon: AddonView) -> None:
    for path in ("actions/rotate", "actions/refresh", "rotations/actions/revoke"):
        assert (await intruder.post(f"/addons/{addon.name}/{path}")).status_code == 404
    for path in ("rotations", "credentials"):
        assert (await intruder.get(f"/addons/{addon.name}/{path}")).status_code == 404
    assert (await intruder.post("/apps/shop/releases/1/actions/acknowledge")).status_code == 404
    assert (await intruder.post("/actions/rotate-credentials")).json() == []


async def test_a_token_that_may_read_rotates_and_acknowledges_nothing(
    ctx: Context, app: object, alice: Actor, addon: AddonView
) -> None:
    async with client_of(app, await token_of(ctx, alice, Scope.READ_PROTECTED)) as reader:
        assert (await reader.get(f"/addons/{addon.name}/credentials")).status_code == 200
        assert (await reader.post(f"/addons/{addon.name}/actions/rotate")).status_code == 403
        assert (await reader.post("/apps/shop/releases/1/actions/acknowledge")).status_code == 403


async def test_an_operator_rotates_a_service_for_everybody_and_nobody_else_does(
    ctx: Context, api: httpx.AsyncClient, intruder: httpx.AsyncClient, mallory: Actor, addon: AddonView
) -> None:
    body = {"addon_service": "store", "everyone": True}
    assert (await api.post("/actions/rotate-credentials", json=body)).status_code == 404
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == mallory.id).values(is_operator=True))
    (started,) = (await intruder.post("/actions/rotate-credentials", json=body)).json()
    assert (started["addon"]["name"], started["addon_service"], started["refusal"]) == (addon.name, "store", None)
    assert started["rotation"] is not None
