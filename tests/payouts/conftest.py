"""A partner whose service has been paid for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.catalog.members import Role, set_member
from broker.kernel.context import Actor, Context
from tests.addons.conftest import World, make_world
from tests.domain import new_user


@pytest.fixture
async def world(ctx: Context) -> World:
    """Payouts wait for ten days here, and the least is 5.00."""
    ctx = replace(ctx, rules=replace(ctx.rules, payout_hold=timedelta(days=10), payout_minimum_minor=500))
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "olga@example.com"), is_operator=True)


@pytest.fixture
async def partner(world: World, operator: Actor) -> Actor:
    """The owner of the service."""
    partner = await new_user(world.ctx, "paula@example.com")
    await set_member(world.ctx, operator, "store", partner.email, Role.OWNER)
    return partner
