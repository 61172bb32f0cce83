"""Operations as a live stream, with the real worker."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import Message, Scope

from broker import worker
from broker.addons.follow import Rhythm, follow
from broker.addons.ports import Answer, ListCall, Provisioner, Reply
from broker.addons.work import Call
from broker.app import create_app
from broker.kernel.clock import SystemClock
from broker.kernel.context import Context
from broker.kernel.vault import KeyRing, Vault
from broker.outbound.registry import Registry
from broker.settings import Settings
from broker.wiring import Wiring
from tests.addons.conftest import ScriptedProvider, World, done, make_world
from tests.domain import new_user
from tests.events.receivers import nobody
from tests.platform_api.conftest import client_of, settings, token_of
from tests.waiting import until

KEY = os.urandom(32)
EVENTS = {"accept": "text/event-stream"}
BRISK = worker.Pace(sweep_s=0.2, poll_s=0.2, drain_s=0.2, lease_s=5.0)


class Scripted(Registry):
    """Chooses the scripted provider for every call."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider

    def provisioner_for(self, call: Call | ListCall) -> Provisioner:
        return self._provider


@dataclass
class Live:
    """A broker without a worker, until one is started."""

    world: World
    app: FastAPI
    token: str
    api: httpx.AsyncClient
    wiring: Wiring

    async def add(self) -> Any:
        return (await self.api.post("/apps/shop/addons", json={"plan": "store:free", "name": "my-store"})).json()


@pytest_asyncio.fixture
async def live(live_ctx: Context, live_database: str) -> AsyncIterator[Live]:
    ctx = replace(live_ctx, clock=SystemClock(), vault=Vault(KeyRing(lambda: [KEY])))
    world = await make_world(ctx, await new_user(ctx, "alice@example.com"))
    app, token = create_app(ctx, settings()), await token_of(ctx, world.user)
    config = Settings(DATABASE_URL=live_database, secret_key=base64.urlsafe_b64encode(KEY).decode())
    async with client_of(app, token) as api:
        yield Live(world, app, token, api, Wiring(config, ctx, Scripted(world.provider), nobody))


def events(text: str) -> list[Any]:
    """The operations that a stream told."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    assert all(name == "event: operation" for name, _ in blocks)
    return [json.loads(data.removeprefix("data: ")) for _, data in blocks]


async def test_every_attempt_is_told_with_its_reason_until_the_operation_ends(live: Live) -> None:
    live.world.provider.will(Reply(Answer.LOST), done())
    made = await live.add()
    following = asyncio.create_task(live.api.get("/addons/my-store/operations", headers=EVENTS))
    working = asyncio.create_task(worker.run(live.wiring, BRISK))
    answer = await following
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert {operation["addon"]["id"] for operation in told} == {made["id"]}
    retried = next(operation for operation in told if operation["state"] == "pending" and operation["attempts"] == 1)
    assert "Store" in retried["reason"]
    assert retried["next_attempt_at"] >= retried["updated_at"]  # whole seconds: the first pause may be less than one
    assert (told[-1]["state"], told[-1]["attempts"]) == ("succeeded", 2)
    assert told[-1] == (await live.api.get("/addons/my-store/operations")).json()[0]
    assert events((await live.api.get("/addons/my-store/operations", headers=EVENTS)).text) == told[-1:]


async def test_an_idle_stream_holds_no_connection_and_ends_with_its_client(live: Live) -> None:
    await live.add()
    messages: asyncio.Queue[Message] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    serving = asyncio.create_task(live.app(_scope(live.token), receive, messages.put))
    while b"event: operation" not in (await messages.get()).get("body", b""):
        pass
    pool: Any = live.world.ctx.database.engine.pool

    async def given_back() -> bool:
        return bool(pool.checkedout() == 0)

    await until(given_back)  # it tells before it has given the connection of its reading back
    assert not serving.done()
    gone.set()
    await serving


def _scope(token: str) -> Scope:
    headers = {"authorization": f"Bearer {token}", **EVENTS}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/addons/my-store/operations",
        "raw_path": b"/addons/my-store/operations",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("broker.test", 80),
        "client": ("127.0.0.1", 1),
    }


async def test_it_gives_signs_of_life_and_ends_with_the_process(live: Live) -> None:
    ctx, addon = live.world.ctx, await live.world.read((await live.add())["id"])
    changes = follow(ctx, live.world.user, addon.id, Rhythm(heartbeat=0.05, look=0.02))
    first = await anext(changes)
    assert first is not None
    assert first.state == "pending"
    assert await anext(changes) is None
    ctx.signals.let_go()
    assert [change async for change in changes if change is not None] == []


async def test_a_stream_is_for_those_who_may_see_the_addon(live: Live) -> None:
    await live.add()
    mallory = await new_user(live.world.ctx, "mallory@example.com")
    async with client_of(live.app, await token_of(live.world.ctx, mallory)) as intruder:
        answer = await intruder.get("/addons/my-store/operations", headers=EVENTS)
    assert (answer.status_code, answer.json()["id"]) == (404, "not_found")
