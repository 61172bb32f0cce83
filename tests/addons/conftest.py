"""A service in the catalog, an app, and a provider that answers what the test tells it to."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest_asyncio
from sqlalchemy import select

from broker.addons.advance import advance
from broker.addons.create import CreateAddon, create_addon
from broker.addons.models import Operation
from broker.addons.ports import Answer, ListCall, Listing, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.work import Call
from broker.apps.create import CreateApp, create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.secret import Secret

MANIFEST = {
    "id": "store",
    "name": "Store",
    "api": {
        "version": "3",
        "password": "manifest-password-of-the-store",
        "sso_salt": "salt-of-the-store",
        "config_vars": ["STORE_URL", "STORE_TOKEN"],
        "config_vars_prefix": "STORE",
        "regions": ["us", "eu"],
        "requires": ["many_per_app", "attachable"],
        "production": {"base_url": "https://store.example.com/heroku/resources", "sso_url": "https://store.example.com/sso"},
    },
    "plans": [
        {"name": "free", "human_name": "Free", "price_cents": 0, "default": True},
        {"name": "big", "human_name": "Big", "price_cents": 5000},
        {"name": "huge", "human_name": "Huge", "price_cents": 50000},
    ],
}  # fmt: skip


def done(url: str = "store://1", **more: str) -> Reply:
    config = {"STORE_URL": Secret(url), **{name: Secret(value) for name, value in more.items()}}
    return Reply(Answer.DONE, 200, provider_id="remote-1", config=config)


@dataclass
class ScriptedProvider:
    """Gives the replies it was told to give, in turn, and remembers the calls."""

    replies: deque[Reply] = field(default_factory=deque)
    calls: list[Call | ListCall] = field(default_factory=list)
    listing: Listing = field(default_factory=lambda: Listing(Reply(Answer.DONE, 200)))
    during: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    def will(self, *replies: Reply) -> None:
        self.replies.extend(replies)

    async def _answer(self, call: Call) -> Reply:
        self.calls.append(call)
        self.entered.set()
        if self.during is not None:
            await self.during.wait()
        return self.replies.popleft()

    provision = change_plan = deprovision = rotate = revoke = refresh = lend = take_back = _answer

    async def list_resources(self, call: ListCall) -> Listing:
        self.calls.append(call)
        return self.listing


@dataclass
class World:
    """What the tests of the heart play with."""

    ctx: Context
    user: Actor
    provider: ScriptedProvider
    app: str = "shop"

    async def create(self, plan: str = "store:free", **more: object) -> AddonView:
        self.ctx.clock.advance(seconds=1)  # so that the order of operations is known
        return await create_addon(self.ctx, self.user, CreateAddon(app=self.app, plan=plan, **more))

    async def provisioned(self, plan: str = "store:free", **more: object) -> AddonView:
        addon = await self.create(plan, **more)
        self.provider.will(done(f"store://{addon.id}"))
        await self.run()
        return await self.read(addon.id)

    async def read(self, addon_id: UUID | str) -> AddonView:
        return await read_addon(self.ctx, self.user, AddonKey(str(addon_id)))

    async def unfinished(self) -> list[UUID]:
        async with self.ctx.database.transaction() as tx:
            statement = select(Operation.id).where(Operation.finished_at.is_(None)).order_by(Operation.created_at)
            return list((await tx.execute(statement)).scalars())

    async def run(self, **later: float) -> None:
        """What the worker does with every operation that is due, after the clock went on."""
        self.ctx.clock.advance(**later)
        for operation_id in await self.unfinished():
            await advance(self.ctx, lambda _: self.provider, operation_id)


async def make_world(ctx: Context, user: Actor) -> World:
    await publish(ctx, parse(MANIFEST), SYSTEM)
    await create_app(ctx, user, CreateApp(name="shop"))
    return World(ctx, user, ScriptedProvider())


@pytest_asyncio.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


NEXT_DAY = timedelta(days=1)
