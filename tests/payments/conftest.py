"""Somebody who pays, who keeps the books, and a payment to begin with."""

from dataclasses import replace

import pytest

from broker.kernel.context import Actor, Context
from broker.payments.start import collect_issued
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed
from tests.domain import new_user
from tests.payments.fake import FakeGateway, only, with_card, work


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(ctx: Context) -> Actor:
    return replace(await new_user(ctx, "olga@example.com"), is_operator=True)


async def paid(world: World, gateway: FakeGateway) -> str:
    """The id of a payment of 10.00 that succeeded."""
    await with_card(world.ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(world.ctx)
    await work(world.ctx, gateway)
    return str((await only(world.ctx, world.user)).id)
