"""From usage periods in the database to a statement."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.billing.accrual import accrued
from broker.billing.explain import explain
from broker.billing.months import month_at
from broker.kernel.context import Context
from broker.kernel.errors import Forbidden, InvalidParams
from tests.addons.conftest import World, done, make_world
from tests.domain import new_user
from tests.payments.fake import later

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


async def test_a_plan_is_billed_from_its_confirmation_to_the_request_to_destroy(world: World) -> None:
    addon = await world.provisioned("store:big")
    world.ctx.clock.advance(hours=24)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(done())
    await world.run(hours=1)
    world.ctx.clock.advance(hours=9)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.ctx.clock.advance(hours=100)
    (found,) = await accrued(world.ctx, world.user)
    facts = [(line.price.plan, line.seconds, line.minor) for line in found.now.lines]
    assert facts == [("big", 25 * 3600, 174), ("huge", 9 * 3600, 625)]
    assert found.now == found.forecast


async def test_the_forecast_goes_on_to_the_end_of_the_month(world: World) -> None:
    await world.provisioned("store:big")
    (found,) = await accrued(world.ctx, world.user)
    assert found.now.total_minor == 0
    left = found.forecast.month.end - world.ctx.clock.now().replace(microsecond=0)
    assert found.forecast.lines[0].seconds == left.total_seconds()


async def test_periods_written_before_they_knew_their_plan_are_billed_too(world: World) -> None:
    addon = await world.provisioned("store:big")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("update usage_periods set service = '', plan = '', terms = '{}'"))
    world.ctx.clock.advance(hours=24)
    (found,) = await accrued(world.ctx, world.user)
    (line,) = found.now.lines
    assert (line.resource, line.minor, len(explain(line))) == (addon.id, 167, 4)


async def test_nobody_sees_what_others_pay(world: World) -> None:
    await world.provisioned("store:big")
    world.ctx.clock.advance(hours=24)
    mallory = await new_user(world.ctx, "mallory@example.com")
    (found,) = await accrued(world.ctx, mallory)
    assert found.now.lines == ()


@pytest.mark.parametrize("month", ["november", "2026-13", "2026-1", "1999-01", "2026-11-21"])
async def test_what_is_no_month_is_refused(world: World, month: str) -> None:
    with pytest.raises(InvalidParams, match="such as 2026-11"):
        await accrued(world.ctx, world.user, month)


async def test_a_month_before_there_was_anything_costs_nothing(world: World) -> None:
    await world.provisioned("store:big")
    (found,) = await accrued(world.ctx, world.user, "2026-10")
    assert found.forecast.total_minor == 0


async def test_every_currency_has_a_statement_of_its_own(world: World) -> None:
    await world.provisioned("store:big")
    other = await world.provisioned("store:big")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("update usage_periods set currency = 'eur' where addon_id = :id"), {"id": other.id})
    world.ctx.clock.advance(hours=24)
    found = await accrued(world.ctx, world.user)
    facts = [(each.now.currency, [line.minor for line in each.now.lines], each.now.total_minor) for each in found]
    assert facts == [("eur", [167], 167), ("usd", [167], 167)]


async def test_a_token_for_some_apps_does_not_tell_what_the_account_costs(world: World) -> None:
    limited = replace(world.user, only_apps=frozenset())
    with pytest.raises(Forbidden, match="limited to some apps"):
        await accrued(world.ctx, limited)


@pytest.mark.parametrize("agreed", [True, False])
async def test_a_change_that_is_pending_over_the_month_s_end_counts_from_the_provider_s_word(
    world: World, agreed: bool
) -> None:
    addon = await world.provisioned("store:big")
    november = month_at(2026, 11).end
    later(world.ctx, seconds=int((november - HOUR - world.ctx.clock.now()).total_seconds()))
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(done() if agreed else Reply(Answer.REFUSED, 422, "no"))
    await world.run(hours=4)
    later(world.ctx, days=40)
    for month, expected in (
        ("2026-11", {"big": None}),
        ("2026-12", {"big": 3 * 3600, "huge": 31 * 86_400 - 3 * 3600} if agreed else {"big": 31 * 86_400}),
    ):
        (found,) = await accrued(world.ctx, world.user, month)
        held = {line.price.plan: line.seconds for line in found.now.lines}
        assert held.keys() == expected.keys()
        assert all(seconds in (None, held[plan]) for plan, seconds in expected.items())


@pytest.mark.parametrize("late", [False, True])
async def test_what_is_destroyed_while_it_is_provisioned_costs_nothing_whatever_the_provider_says_later(
    world: World, late: bool
) -> None:
    addon = await world.create("store:big")
    if late:
        world.provider.will(Reply(Answer.ACCEPTED, 202))
        await world.run()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(*[done()] * 3)
    await world.run(hours=1)
    later(world.ctx, days=40)
    for month in ("2026-11", "2026-12"):
        assert [line for found in await accrued(world.ctx, world.user, month) for line in found.now.lines] == []
