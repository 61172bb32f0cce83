"""A world in which something happens, and a webhook that is told about it."""

from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from broker.apps.watched import watched_app
from broker.events.deliver import deliver
from broker.events.deliveries import DeliveryView, EventView, list_deliveries, list_events
from broker.events.webhooks import Owner, OwnerOf, WebhookChange, WebhookView, add_webhook, get_webhook
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.context import Scope
from broker.kernel.db import Tx
from broker.kernel.parts import Part
from broker.kernel.secret import Secret
from tests.addons.conftest import World
from tests.addons.conftest import world as world
from tests.events.receivers import Receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)
PAYLOADS = WebhookPayloads("https://broker.example.com")
URL = "https://hooks.example.com/in"
MINE = Secret("a secret of my own")
ALL = Part(limit=1000)


@dataclass
class Watch:
    """One webhook of the world's app (or of an add-on), and whoever receives what it is told."""

    world: World
    owner_of: OwnerOf
    webhook: WebhookView
    receiver: Receiver = field(default_factory=Receiver)

    @property
    def id(self) -> UUID:
        return self.webhook.id

    async def run(self, times: int = 1, **later: float) -> None:
        """What the worker does when one of the webhook's jobs runs, after the clock went on."""
        self.world.ctx.clock.advance(**later)
        for _ in range(times):
            await deliver(self.world.ctx, PAYLOADS, self.receiver, self.id)

    async def deliveries(self, status: str | None = None) -> list[DeliveryView]:
        return await list_deliveries(self.world.ctx, self.owner_of, ALL, status)

    async def events(self) -> list[EventView]:
        return await list_events(self.world.ctx, self.owner_of, ALL)

    async def statuses(self) -> list[str]:
        return [view.status for view in await self.deliveries()]

    async def again(self) -> WebhookView:
        return await get_webhook(self.world.ctx, self.owner_of, str(self.id))

    @property
    def told(self) -> list[tuple[str, str]]:
        """Resource and action of everything that was told so far."""
        return [(attempt.payload["resource"], attempt.payload["action"]) for attempt in self.receiver.told]


class Watching:
    """Makes webhooks in a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def app(self, *include: str, level: str = "sync", **more: Any) -> Watch:
        return await self._watch(watched_app(self.world.user, self.world.app, Scope.WRITE), include, level, **more)

    async def addon(self, addon_id: UUID, *include: str, level: str = "sync", **more: Any) -> Watch:
        async def owner(_tx: Tx) -> Owner:
            return Owner(addon_id=addon_id)

        return await self._watch(owner, include, level, **more)

    async def _watch(self, owner_of: OwnerOf, include: tuple[str, ...], level: str, url: str = URL) -> Watch:
        wanted = WebhookChange(include, level, url, MINE)
        made = await add_webhook(self.world.ctx, self.world.user, owner_of, wanted, LOOPBACK)
        return Watch(self.world, owner_of, made.webhook)


@pytest.fixture
def watching(world: World) -> Watching:
    return Watching(world)


async def jobs(world: World) -> int:
    """How many jobs of webhooks wait."""
    async with world.ctx.database.transaction() as tx:
        waiting = "select count(*) from procrastinate_jobs where queue_name = 'webhooks'"
        return int((await tx.execute(text(waiting))).scalar_one())


async def outbox(world: World) -> int:
    """How many events wait for being taken in."""
    async with world.ctx.database.transaction() as tx:
        return int((await tx.execute(text("select count(*) from webhook_outbox"))).scalar_one())
