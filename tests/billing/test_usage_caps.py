"""Budgets that end what is metered: usage beyond them is refused, and the provider is told."""

import asyncio
from datetime import timedelta

import pytest

from broker.addons.budgets import SetBudget, set_budget
from broker.addons.spending import spending_of
from broker.addons.usage_caps import beyond_budgets
from broker.apps.create import CreateApp, create_app
from broker.billing.accrual import accrued
from broker.billing.budgets import Policy, ScopeKind
from broker.billing.intake import Report, Status, take_in
from broker.kernel.context import Context
from tests.addons.conftest import World
from tests.billing.metering_world import metering_world, report
from tests.domain import new_user

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def world(ctx: Context) -> World:
    return await metering_world(ctx, await new_user(ctx, "alice@example.com"))


async def budget(world: World, cents: int, app: str | None = None, policy: Policy = Policy.SUSPEND_METERED) -> None:
    kind = ScopeKind.ACCOUNT if app is None else ScopeKind.APP
    await set_budget(world.ctx, world.user, SetBudget(kind, app, cents, policy=policy))


async def told(ctx: Context, *reports: Report) -> list[str]:
    return [each.reason or each.status.value for each in await take_in(ctx, "store", reports, beyond_budgets)]


async def spent(world: World) -> int:
    (found,) = await accrued(world.ctx, world.user)
    return found.forecast.total_minor


async def test_a_budget_that_is_used_up_in_the_middle_of_a_batch_lets_in_what_fits(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await budget(world, 100)  # 200 rows
    start = world.ctx.clock.now()
    world.ctx.clock.advance(hours=1)
    late, early = report(addon.id, "b", "150", start + 2 * MINUTE), report(addon.id, "a", "120", start + MINUTE)
    small, free = report(addon.id, "c", "1", start + 3 * MINUTE), report(addon.id, "d", "9", start, "errors")
    assert await told(world.ctx, late, early, small, free) == ["capped", "accepted", "capped", "not_billed"]
    assert await spent(world) == 60
    assert await told(world.ctx, report(addon.id, "e", "80", start)) == ["accepted"], "exactly the limit fits"
    assert await told(world.ctx, report(addon.id, "f", "1", start)) == ["capped"], "half a cent makes one"
    assert await spent(world) == 100


async def test_what_was_refused_may_be_reported_again_when_there_is_room(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await budget(world, 100)
    much = report(addon.id, "1", "1000", world.ctx.clock.now())
    assert await told(world.ctx, much, much) == ["capped", "capped"]
    await budget(world, 1000)
    assert await told(world.ctx, much, much) == ["accepted", "duplicate"]


async def test_corrections_are_taken_in_whatever_the_budget(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await told(world.ctx, report(addon.id, "1", "1000"))
    await budget(world, 100)
    lower, void = report(addon.id, "2", "-300"), report(addon.id, "3", "0", voids="1")
    assert await told(world.ctx, report(addon.id, "4", "1"), lower, void) == ["capped", "accepted", "accepted"]


async def test_a_budget_of_an_app_is_for_that_app(world: World) -> None:
    await create_app(world.ctx, world.user, CreateApp(name="other"))
    shop = await world.provisioned("store:payg")
    world.app = "other"
    other = await world.provisioned("store:payg")
    await budget(world, 100, app="shop")
    assert await told(world.ctx, report(shop.id, "1", "900"), report(other.id, "2", "900")) == ["capped", "accepted"]


@pytest.mark.parametrize("policy", [Policy.NOTIFY, Policy.BLOCK_NEW])
async def test_other_policies_let_usage_go_on(world: World, policy: Policy) -> None:
    addon = await world.provisioned("store:payg")
    await budget(world, 100, policy=policy)
    assert await told(world.ctx, report(addon.id, "1", "900")) == ["accepted"]


async def test_two_reports_that_fit_singly_but_not_together_are_not_both_taken_in(live_ctx: Context) -> None:
    world = await metering_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addon = await world.provisioned("store:payg")
    await budget(world, 100)
    at = live_ctx.clock.now()
    answers = await asyncio.gather(*(told(live_ctx, report(addon.id, str(n), "150", at)) for n in range(8)))
    assert sorted(answer for (answer,) in answers) == [Status.ACCEPTED] + ["capped"] * 7


async def test_what_was_used_is_summed_up_where_it_is_stored(world: World) -> None:
    """A check against budgets does not read a month of reports one by one."""
    addon = await world.provisioned("store:payg")
    now = world.ctx.clock.now()
    await told(world.ctx, *(report(addon.id, str(n), "3", now) for n in range(40)))
    world.ctx.clock.advance(hours=1)
    async with world.ctx.database.transaction() as tx:
        spending = await spending_of(tx, world.user.id, world.ctx.clock.now())
    assert len(spending.history.readings) < 10
    assert spending.whole("usd") == 60 == await spent(world)
