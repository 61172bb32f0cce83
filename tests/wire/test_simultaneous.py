"""Requests at the same moment for the same name, over real connections: one is done, the others are refused in words."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from broker.accounts.models import IdempotencyKey
from broker.addons.models import Addon, Attachment, Operation
from broker.app import create_app
from broker.apps.models import App, Release
from broker.kernel.context import Context
from tests.domain import new_user
from tests.platform_api.conftest import client_of, settings, token_of
from tests.waiting import until
from tests.wire.conftest import Shop, refused, stocked


@pytest.fixture
async def live_shop(live_ctx: Context) -> AsyncIterator[Shop]:
    """The shop on a database of its own, where requests run on several connections."""
    alice, mallory = await new_user(live_ctx, "alice@example.com"), await new_user(live_ctx, "mallory@example.com")
    world, ids = await stocked(live_ctx, alice)
    app = create_app(live_ctx, settings(rate_limit_per_hour=0))
    alices, mallorys = await token_of(live_ctx, alice), await token_of(live_ctx, mallory)
    async with client_of(app, alices) as api, client_of(app, mallorys) as intruder:
        yield Shop(world, api, intruder, ids)


async def count(ctx: Context, table: Any, *conditions: Any) -> int:
    async with ctx.database.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(table).where(*conditions))).scalar_one())


def winners(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    """The bodies of those that were done; the others must be refusals."""
    won = [answer.json() for answer in answers if answer.status_code < 300]
    for answer in answers:
        if answer.status_code >= 300:
            refused(answer)
            assert answer.status_code in (409, 422, 423)
    return won


async def test_of_many_adds_of_one_add_on_name_one_is_done(live_shop: Shop) -> None:
    before = await count(live_shop.ctx, Release)
    body = {"plan": "store", "name": "twins"}
    answers = await asyncio.gather(*(live_shop.api.post("/apps/shop/addons", json=body) for _ in range(6)))
    assert len(winners(answers)) == 1
    assert {answer.json()["message"] for answer in answers if answer.status_code == 422} == {"Name is already taken"}
    assert await count(live_shop.ctx, Addon, Addon.name == "twins") == 1
    assert await count(live_shop.ctx, Operation) == await count(live_shop.ctx, Addon) == 2
    assert await count(live_shop.ctx, Attachment) == 3
    assert await count(live_shop.ctx, Release) == before


async def test_of_many_adds_under_one_attachment_name_one_is_done(live_shop: Shop) -> None:
    body = {"plan": "store", "attachment": {"name": "TWIN"}}
    answers = await asyncio.gather(*(live_shop.api.post("/apps/shop/addons", json=body) for _ in range(6)))
    assert len(winners(answers)) == 1
    assert await count(live_shop.ctx, Attachment, Attachment.name == "TWIN") == 1
    assert await count(live_shop.ctx, Operation) == await count(live_shop.ctx, Addon) == 2


async def test_many_adds_without_a_name_are_all_done_under_different_names(live_shop: Shop) -> None:
    answers = await asyncio.gather(*(live_shop.api.post("/apps/shop/addons", json={"plan": "store"}) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json()["name"] for answer in answers}) == 6


async def test_of_many_apps_of_one_name_one_is_made_whoever_asks(live_shop: Shop) -> None:
    clients = [live_shop.api, live_shop.intruder] * 3
    answers = await asyncio.gather(*(client.post("/apps", json={"name": "twins"}) for client in clients))
    assert len(winners(answers)) == 1
    assert await count(live_shop.ctx, App, App.name == "twins") == 1


async def test_of_many_attachments_of_one_name_one_is_made(live_shop: Shop) -> None:
    body = {"addon": "my-store", "app": "other", "name": "TWIN"}
    answers = await asyncio.gather(*(live_shop.api.post("/addon-attachments", json=body) for _ in range(6)))
    assert len(winners(answers)) == 1
    assert await count(live_shop.ctx, Attachment, Attachment.name == "TWIN") == 1


async def test_config_changes_at_once_are_all_kept_in_as_many_releases(live_shop: Shop) -> None:
    before = await count(live_shop.ctx, Release)
    names = [f"V{number}" for number in range(6)]
    answers = await asyncio.gather(*(live_shop.api.patch("/apps/shop/config-vars", json={name: "x"}) for name in names))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert set(names) <= (await live_shop.api.get("/apps/shop/config-vars")).json().keys()
    assert await count(live_shop.ctx, Release) == before + 6


async def test_an_add_and_the_destruction_of_its_app_at_once_leave_no_add_on_without_app(live_shop: Shop) -> None:
    add = live_shop.api.post("/apps/shop/addons", json={"plan": "store", "name": "late"})
    added, destroyed = await asyncio.gather(add, live_shop.api.delete("/apps/shop"))
    assert destroyed.status_code == 200
    assert added.status_code in (201, 404, 409)
    states = {addon["name"]: addon["state"] for addon in (await live_shop.api.get("/addons")).json()}
    assert set(states.values()) <= {"deprovisioning", "deprovisioned"}


async def test_the_same_request_with_one_key_at_once_makes_one_add_on(live_shop: Shop) -> None:
    body, headers = {"plan": "store"}, {"idempotency-key": "one-click"}
    posts = (live_shop.api.post("/apps/shop/addons", json=body, headers=headers) for _ in range(6))
    answers = await asyncio.gather(*posts)
    assert len({addon["id"] for addon in winners(answers)}) == 1
    assert await count(live_shop.ctx, Addon) == 2
    assert await count(live_shop.ctx, IdempotencyKey) == 1
    late = await live_shop.api.post("/apps/shop/addons", json=body, headers=headers)
    assert late.json()["id"] == winners(answers)[0]["id"]


async def test_a_repetition_of_a_request_that_was_broken_off_makes_nothing_twice(live_ctx: Context) -> None:
    alice = await new_user(live_ctx, "alice@example.com")
    await stocked(live_ctx, alice)
    app = create_app(live_ctx, settings(operation_wait_s=20))
    body, headers = {"plan": "store", "name": "cut-off"}, {"idempotency-key": "one"}

    async def was_recorded() -> bool:
        return await count(live_ctx, Addon, Addon.name == "cut-off") == 1

    async with client_of(app, await token_of(live_ctx, alice)) as api:
        first = asyncio.create_task(api.post("/apps/shop/addons", json=body, headers=headers))
        await until(was_recorded)  # nobody works here: it waits from now on
        first.cancel()
        await asyncio.wait({first})
        refused(await api.post("/apps/shop/addons", json=body, headers=headers), 409, "conflict")
        refused(await api.post("/apps/shop/addons", json={"plan": "store"}, headers=headers), 422, "invalid_params")
    assert await count(live_ctx, Addon) == 2
