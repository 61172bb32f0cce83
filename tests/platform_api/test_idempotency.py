"""Requests that are sent again after a broken connection."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import update

from broker.accounts.idempotency import Begun, begin
from broker.accounts.models import IdempotencyKey
from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.ids import new_id
from tests.addons.conftest import make_world
from tests.domain import StoppedClock, new_user
from tests.platform_api.conftest import client_of, settings, token_of

KEY = {"idempotency-key": "6b1c"}


async def test_a_repetition_makes_nothing_twice(api: httpx.AsyncClient) -> None:
    first, second = [await api.post("/apps", json={}, headers=KEY) for _ in range(2)]
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert len((await api.get("/apps")).json()) == 1
    assert (await api.post("/apps", json={})).json()["id"] != first.json()["id"]


async def test_addons_and_attachments_are_made_once_too(ctx: Context, alice: Actor, api: httpx.AsyncClient) -> None:
    await make_world(ctx, alice)
    first, second = [await api.post("/apps/shop/addons", json={"plan": "store"}, headers=KEY) for _ in range(2)]
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    body, other = {"addon": first.json()["name"], "app": "shop"}, {"idempotency-key": "another"}
    third, fourth = [await api.post("/addon-attachments", json=body, headers=other) for _ in range(2)]
    assert (fourth.status_code, fourth.json()["id"]) == (201, third.json()["id"])
    assert len((await api.get("/addon-attachments")).json()) == 2


async def test_a_key_stands_for_one_request(api: httpx.AsyncClient) -> None:
    await api.post("/apps", json={}, headers=KEY)
    refused = await api.post("/apps", json={"name": "demo"}, headers=KEY)
    assert refused.status_code == 422
    assert refused.json()["message"].startswith("Idempotency-Key: was used for another request")


async def test_what_was_refused_may_be_tried_again(api: httpx.AsyncClient) -> None:
    await api.post("/apps", json={"name": "demo"})
    assert (await api.post("/apps", json={"name": "demo"}, headers=KEY)).status_code == 422
    await api.delete("/apps/demo")
    assert (await api.post("/apps", json={"name": "demo"}, headers=KEY)).status_code == 201


async def test_keys_of_others_do_not_count(api: httpx.AsyncClient, intruder: httpx.AsyncClient) -> None:
    first = await api.post("/apps", json={}, headers=KEY)
    assert (await intruder.post("/apps", json={}, headers=KEY)).json()["id"] != first.json()["id"]


async def test_a_key_is_forgotten_after_a_day(api: httpx.AsyncClient, clock: StoppedClock) -> None:
    first = await api.post("/apps", json={}, headers=KEY)
    clock.advance(hours=24)
    assert (await api.post("/apps", json={}, headers=KEY)).json()["id"] != first.json()["id"]


async def test_a_request_that_died_is_taken_over_after_minutes_with_the_id_that_it_had(
    ctx: Context, alice: Actor, clock: StoppedClock
) -> None:
    first = await begin(ctx, alice, "key", b"digest")
    assert isinstance(first, Begun)
    assert not first.taken_over
    with pytest.raises(Conflict):
        await begin(ctx, alice, "key", b"digest")
    clock.advance(minutes=5)
    with pytest.raises(InvalidParams):
        await begin(ctx, alice, "key", b"another digest")
    assert await begin(ctx, alice, "key", b"digest") == replace(first, taken_over=True)
    with pytest.raises(Conflict):
        await begin(ctx, alice, "key", b"digest")


KINDS: dict[str, tuple[str, dict[str, str], str]] = {
    "app": ("/apps", {}, "/apps"),
    "addon": ("/apps/shop/addons", {"plan": "store"}, "/addons"),
    "attachment": ("/addon-attachments", {"addon": "my-store", "app": "shop"}, "/addon-attachments"),
}


@pytest.mark.parametrize("had_made_it", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_process_made_before_it_died_is_not_made_twice(
    ctx: Context, alice: Actor, api: httpx.AsyncClient, clock: StoppedClock, kind: str, had_made_it: bool
) -> None:
    await (await make_world(ctx, alice)).provisioned(name="my-store")
    path, body, listed = KINDS[kind]
    before = len((await api.get(listed)).json())
    made = (await api.post(path, json=body, headers=KEY)).json()
    async with ctx.database.transaction() as tx:  # as if it had died after the commit, or before
        if not had_made_it:
            await tx.execute(update(IdempotencyKey).values(reserved_id=new_id()))
        await tx.execute(update(IdempotencyKey).values(subject_id=None))
    clock.advance(minutes=5)
    again = await api.post(path, json=body, headers=KEY)
    assert again.status_code == 201, again.text
    assert (again.json()["id"] == made["id"]) is had_made_it
    assert len((await api.get(listed)).json()) == before + (1 if had_made_it else 2)
    assert (await api.post(path, json=body, headers=KEY)).json()["id"] == again.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_bad_key_is_refused(api: httpx.AsyncClient, key: str) -> None:
    assert (await api.post("/apps", json={}, headers={"idempotency-key": key})).status_code == 422


async def test_of_simultaneous_repetitions_one_makes_it(live_ctx: Context) -> None:
    alice = await new_user(live_ctx, "alice@example.com")
    async with client_of(create_app(live_ctx, settings()), await token_of(live_ctx, alice)) as api:
        answers = await asyncio.gather(*(api.post("/apps", json={}, headers=KEY) for _ in range(5)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
        assert len((await api.get("/apps")).json()) == 1
