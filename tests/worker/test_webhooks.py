"""Webhooks as they are in life: a real worker, real sockets, a receiver that checks what it is told."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest_asyncio

from broker import worker
from broker.apps.change import ChangeApp, change_app
from broker.apps.watched import watched_app
from broker.events.deliveries import DeliveryView, list_deliveries, retry_delivery
from broker.events.webhooks import OwnerOf, WebhookChange, WebhookView, add_webhook
from broker.kernel.context import Scope
from broker.kernel.parts import Part
from broker.kernel.secret import Secret
from broker.settings import Settings
from broker.wiring import Wiring, wired
from tests.addons.conftest import World, make_world
from tests.domain import new_user
from tests.outbound.test_webhook_sender import is_genuine, is_standard
from tests.outbound.wire import Wire, http, listening
from tests.waiting import until
from tests.worker.test_worker import BRISK, Scripted, working

KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@dataclass
class Story:
    """A world with a worker that may reach this machine."""

    world: World
    wiring: Wiring

    @property
    def owner_of(self) -> OwnerOf:
        return watched_app(self.world.user, self.world.app, Scope.WRITE)

    async def watch(self, wire: Wire) -> WebhookView:
        wanted = WebhookChange(["api:app"], "sync", wire.url, Secret(SECRET))
        networks = (ip_network("127.0.0.0/8"),)
        return (await add_webhook(self.world.ctx, self.world.user, self.owner_of, wanted, networks)).webhook

    async def happen(self, *stacks: str) -> None:
        for stack in stacks:
            await change_app(self.world.ctx, self.world.user, self.world.app, ChangeApp(stack=stack))

    async def deliveries(self, webhook: WebhookView) -> list[DeliveryView]:
        found = await list_deliveries(self.world.ctx, self.owner_of, Part(limit=100))
        return [view for view in found if view.webhook_id == webhook.id]

    def all_are(self, webhook: WebhookView, *statuses: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return [view.status for view in await self.deliveries(webhook)] == list(statuses)

        return check


@pytest_asyncio.fixture
async def story(live_database: str) -> AsyncIterator[Story]:
    settings = Settings(DATABASE_URL=live_database, secret_key=KEY, outbound_allow="127.0.0.0/8", webhook_timeout_s=2.0)
    async with wired(settings) as wiring:
        world = await make_world(wiring.context, await new_user(wiring.context, "alice@example.com"))
        yield Story(world, replace(wiring, registry=Scripted(world.provider)))


async def test_a_receiver_that_comes_back_is_told_everything_in_order(story: Story) -> None:
    async with listening(http(503), http(200)) as wire, working(story.wiring):
        webhook = await story.watch(wire)
        await story.happen("one")
        await until(story.all_are(webhook, "retrying"))
        await story.happen("two", "three")
        first = (await story.deliveries(webhook))[0]
        await retry_delivery(story.world.ctx, story.world.user, story.owner_of, str(first.id))
        await until(story.all_are(webhook, "succeeded", "succeeded", "succeeded"))
    bodies = [json.loads(request.body) for request in wire.requests]
    assert [body["sequence"] for body in bodies] == [1, 1, 2, 3]
    assert [body["data"]["name"] for body in bodies] == ["shop"] * 4
    assert all(is_genuine(request, SECRET) and is_standard(request, SECRET) for request in wire.requests)
    ids = [request.headers["webhook-id"] for request in wire.requests]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_receivers_that_are_slow_redirect_or_never_end_delay_nobody_else(story: Story) -> None:
    asked = asyncio.Event()

    async def silent(_writer: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.Event().wait()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with (
        listening(silent) as slow, listening(http(307, location="http://127.0.0.1:9/")) as elsewhere,
        listening(endless) as talker, listening(http(204)) as good, working(story.wiring),
    ):  # fmt: skip
        watches = [await story.watch(wire) for wire in (slow, elsewhere, talker, good)]
        await story.happen("one")
        await asked.wait()
        await until(story.all_are(watches[3], "succeeded"))
        await until(story.all_are(watches[2], "succeeded"))
        await until(story.all_are(watches[1], "retrying"))
        await until(story.all_are(watches[0], "retrying"))
    last = (await story.deliveries(watches[1]))[0].last_attempt
    assert last is not None
    assert (last["code"], last["error_class"]) == (307, "redirects are not followed")


async def test_a_worker_that_is_cut_off_while_it_tells_leaves_the_rest_to_the_next(story: Story) -> None:
    reached = asyncio.Event()

    async def silent(_writer: asyncio.StreamWriter) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with listening(silent, http(200)) as wire:
        webhook = await story.watch(wire)
        async with working(story.wiring, replace(BRISK, drain_s=0.0)):
            await story.happen("one")
            await reached.wait()
        ended = replace(story.wiring.context, clock=Ahead(story.wiring, timedelta(minutes=2)))
        async with working(replace(story.wiring, context=ended), worker.Pace(sweep_s=0.1, poll_s=0.1)):
            await until(story.all_are(webhook, "succeeded"))
    assert len({request.headers["webhook-id"] for request in wire.requests}) == 1


class Ahead:
    """The clock of somebody who comes later."""

    def __init__(self, wiring: Wiring, by: timedelta) -> None:
        self._clock, self._by = wiring.context.clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by
