"""What becomes of reports of usage: once each, whenever and however often they arrive, and what they cost in the end."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.resolve import AddonKey
from broker.billing.accrual import accrued
from broker.billing.explain import explain
from broker.billing.intake import LATENESS, SKEW, Report, Status
from broker.billing.models import UsageEvent
from broker.billing.prices import PriceKind
from broker.billing.readings import MeteredLine, use_up
from broker.kernel.context import Context
from broker.kernel.ids import new_id
from tests.addons.conftest import World, done
from tests.billing.metering_world import metered_line, metering_world, refusals, report, sent, statuses
from tests.domain import new_user

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def world(ctx: Context) -> World:
    return await metering_world(ctx, await new_user(ctx, "alice@example.com"))


async def test_what_is_reported_costs_what_the_plan_says(world: World) -> None:
    addon = await world.provisioned("store:payg")
    world.ctx.clock.advance(hours=2)
    assert await statuses(world.ctx, report(addon.id, "1", "1000"), report(addon.id, "2", "0.000000000001")) == [
        Status.ACCEPTED,
        Status.ACCEPTED,
    ]
    world.ctx.clock.advance(hours=2)
    line = await metered_line(world)
    assert (line.quantity, line.minor) == (1000 + Fraction(1, 10**12), 500)
    assert explain(line)[-2:] == ["× 0.005 USD each", "= 5.000000000000005 USD, rounded to 5.00 USD"]
    assert line.price.kind is PriceKind.METERED


async def test_the_same_report_again_is_a_duplicate_and_another_one_of_its_name_a_conflict(world: World) -> None:
    addon = await world.provisioned("store:payg")
    first = report(addon.id, "1", "5", world.ctx.clock.now())
    assert await statuses(world.ctx, first, replace(first), report(addon.id, "1", "6", first.at)) == [
        Status.ACCEPTED,
        Status.DUPLICATE,
        Status.CONFLICT,
    ]
    assert await statuses(world.ctx, report(addon.id, "1", "5.00", first.at)) == [Status.DUPLICATE]
    assert await refusals(world.ctx, report(addon.id, "1", "5", first.at, meter="errors")) == ["conflict"]
    world.ctx.clock.advance(hours=1)
    assert (await metered_line(world)).quantity == 5


async def test_a_name_is_remembered_for_ever(world: World) -> None:
    addon = await world.provisioned("store:payg")
    first = report(addon.id, "1", "5", world.ctx.clock.now())
    await sent(world.ctx, first)
    world.ctx.clock.advance(days=800)
    assert await statuses(world.ctx, first) == [Status.DUPLICATE]


async def test_other_sources_have_names_of_their_own(world: World) -> None:
    addon = await world.provisioned("store:payg")
    both = report(addon.id, "1", "5"), report(addon.id, "1", "7", source="eu")
    assert await statuses(world.ctx, *both) == [Status.ACCEPTED, Status.ACCEPTED]
    world.ctx.clock.advance(hours=1)
    assert (await metered_line(world)).quantity == 12


async def test_a_thousand_parallel_duplicates_are_one_report(live_ctx: Context) -> None:
    world = await metering_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addon = await world.provisioned("store:payg")
    one = report(addon.id, "1", "5", live_ctx.clock.now())
    answers = await asyncio.gather(*(statuses(live_ctx, one) for _ in range(1000)))
    assert sorted(status for (status,) in answers) == [Status.ACCEPTED] + [Status.DUPLICATE] * 999
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(UsageEvent))).scalar() == 1


async def test_batches_that_overlap_in_opposite_order_are_each_taken_in(live_ctx: Context) -> None:
    world = await metering_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addon = await world.provisioned("store:payg")
    many = [report(addon.id, str(number), "1", live_ctx.clock.now()) for number in range(40)]
    answers = await asyncio.gather(*(statuses(live_ctx, *(many, many[::-1])[turn % 2]) for turn in range(8)))
    assert sum(answer.count(Status.ACCEPTED) for answer in answers) == 40
    live_ctx.clock.advance(hours=1)
    assert (await metered_line(world)).quantity == 40


async def test_reports_come_from_the_add_on_s_own_time(world: World) -> None:
    await world.provisioned()
    addon = await world.provisioned("store:payg")
    now = world.ctx.clock.now()
    assert await refusals(
        world.ctx,
        report(addon.id, "1", at=now - timedelta(days=1)),
        report(addon.id, "2", at=now + timedelta(days=1)),
        report(addon.id, "3", at=now + SKEW + SECOND),
        report(uuid4(), "4", at=now),
    ) == ["before_start", "in_the_future", "in_the_future", "unknown_addon"]
    (told,) = await sent(world.ctx, report(addon.id, "1", at=now + timedelta(days=1)))
    assert told.message == "This lies in the future. It is 2026-11-21T09:54:09Z here."
    assert await statuses(world.ctx, report(addon.id, "2", at=now + SKEW)) == [Status.ACCEPTED]


async def test_what_is_only_being_provisioned_uses_nothing_yet(world: World) -> None:
    addon = await world.create("store:payg")
    assert await refusals(world.ctx, report(addon.id, "1")) == ["unknown_addon"]


async def test_other_services_add_ons_do_not_exist(world: World) -> None:
    addon = await world.provisioned("store:payg")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("update usage_periods set service = 'other'"))
    assert await refusals(world.ctx, report(addon.id, "1")) == ["unknown_addon"]


async def test_after_the_end_there_is_a_grace_that_costs_nothing(world: World) -> None:
    addon = await world.provisioned("store:payg")
    world.ctx.clock.advance(hours=1)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    ended = world.ctx.clock.now()
    world.ctx.clock.advance(hours=80)
    late = [report(addon.id, "1", "7", ended - SECOND), report(addon.id, "2", "7", ended)]
    assert [(r.status, r.reason) for r in await sent(world.ctx, *late)] == [
        (Status.ACCEPTED, None),
        (Status.ACCEPTED, "not_billed"),
    ]
    assert await refusals(world.ctx, report(addon.id, "3", "7", ended + LATENESS + SECOND)) == ["after_end"]
    assert (await metered_line(world)).quantity == 7


async def test_a_month_takes_reports_until_it_is_closed(world: World) -> None:
    addon = await world.provisioned("store:payg")
    in_november = world.ctx.clock.now() + HOUR
    world.ctx.clock.advance(days=12)  # 3 December, before the hour in which November is closed
    assert await statuses(world.ctx, report(addon.id, "1", "7", in_november)) == [Status.ACCEPTED]
    assert (await metered_line(world, month="2026-11")).quantity == 7
    assert (await metered_line(world, month="2026-12")).quantity == 0
    world.ctx.clock.advance(days=1)
    assert await refusals(world.ctx, report(addon.id, "2", "7", in_november)) == ["too_late"]
    assert await statuses(world.ctx, report(addon.id, "1", "7", in_november)) == [Status.DUPLICATE]
    assert await refusals(world.ctx, report(addon.id, "3", "0", voids="1")) == ["too_late"]


async def test_the_first_instant_of_a_month_belongs_to_it(world: World) -> None:
    addon = await world.provisioned("store:payg")
    (found,) = await accrued(world.ctx, world.user)
    end = found.now.month.end
    world.ctx.clock.advance(days=12)
    await sent(world.ctx, report(addon.id, "1", "7", end - SECOND), report(addon.id, "2", "11", end))
    quantities = [(await metered_line(world, month=month)).quantity for month in ("2026-11", "2026-12")]
    assert quantities == [7, 11]


async def test_only_meters_of_the_plan_of_that_time_can_be_reported(world: World) -> None:
    addon = await world.provisioned("store:big")
    world.ctx.clock.advance(hours=2)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:payg")
    world.provider.will(done())
    await world.run()
    now = world.ctx.clock.now()
    assert await refusals(world.ctx, report(addon.id, "1", at=now - HOUR), report(addon.id, "2", meter="cats")) == [
        "unknown_meter",
        "unknown_meter",
    ]
    assert await statuses(world.ctx, report(addon.id, "1", at=now)) == [Status.ACCEPTED]


async def test_each_plan_bills_the_usage_of_its_own_time_at_its_own_price(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await sent(world.ctx, report(addon.id, "1", "1000"))
    world.ctx.clock.advance(hours=2)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:payg-plus")
    world.provider.will(done())
    await world.run()
    await sent(world.ctx, report(addon.id, "2", "1000"))
    world.ctx.clock.advance(hours=1)
    (found,) = await accrued(world.ctx, world.user)
    lines = [line for line in found.now.lines if line.meter and line.meter.meter == "rows"]
    assert [(line.price.plan, line.minor, line.price.kind.value) for line in lines] == [
        ("payg", 500, "metered"),
        ("payg-plus", 100, "fixed+metered"),
    ]


async def test_a_meter_without_a_price_is_counted_and_costs_nothing(world: World) -> None:
    addon = await world.provisioned("store:payg")
    (result,) = await sent(world.ctx, report(addon.id, "1", "9", meter="errors"))
    assert (result.status, result.reason) == (Status.ACCEPTED, "not_billed")
    world.ctx.clock.advance(hours=1)
    line = await metered_line(world, "errors")
    assert (line.quantity, line.minor) == (9, 0)


@pytest.mark.parametrize("mode", ["suspended", "unbilled", "sandbox"])
async def test_usage_on_terms_that_do_not_bill_it_is_recorded_and_costs_nothing(world: World, mode: str) -> None:
    addon = await world.provisioned("store:payg")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("update usage_periods set mode = :mode"), {"mode": mode})
    (result,) = await sent(world.ctx, report(addon.id, "1", "900"))
    assert (result.status, result.reason) == (Status.ACCEPTED, "not_billed")
    world.ctx.clock.advance(hours=1)
    (found,) = await accrued(world.ctx, world.user)
    assert found.now.total_minor == 0


async def test_corrections_are_reports_of_their_own(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await sent(world.ctx, report(addon.id, "1", "100"), report(addon.id, "2", "40"), report(addon.id, "3", "-15"))
    assert await statuses(world.ctx, report(addon.id, "4", "0", voids="2")) == [Status.ACCEPTED]
    world.ctx.clock.advance(hours=1)
    assert (await metered_line(world)).quantity == 85
    await sent(world.ctx, report(addon.id, "5", "0", voids="2"), report(addon.id, "6", "-500"))
    world.ctx.clock.advance(hours=1)
    assert (await metered_line(world)).quantity == 0, "never less than nothing, and what is void stays void"
    await sent(world.ctx, report(addon.id, "7", "0", voids="6"), report(addon.id, "8", "0", voids="7"))
    await sent(world.ctx, report(addon.id, "9", "0", voids="8"))
    assert (await metered_line(world)).quantity == 85, "voiding what voids something brings it back"


async def test_only_sums_can_be_lowered(world: World) -> None:
    addon = await world.provisioned("store:payg")
    meters = ("total", "seats", "memory")
    reports = [report(addon.id, meter, "-1", meter=meter) for meter in meters]
    assert await refusals(world.ctx, *reports) == ["negative"] * 3


async def test_reports_are_voided_by_their_own_source_and_add_on_only(world: World) -> None:
    addon, other = await world.provisioned("store:payg"), await world.provisioned("store:payg")
    await sent(world.ctx, report(addon.id, "1", "5"), report(addon.id, "2", "0", voids="1", source="eu"))
    assert await refusals(world.ctx, report(other.id, "3", "0", voids="1")) == ["unknown_addon"]
    await sent(world.ctx, report(other.id, "4", "0", voids="later"), report(addon.id, "later", "3"))
    world.ctx.clock.advance(hours=1)
    (found,) = await accrued(world.ctx, world.user)
    used = {line.resource: line.quantity for line in found.now.lines if line.meter and line.meter.meter == "rows"}
    assert used == {addon.id: 8, other.id: 0}


async def test_running_totals_may_begin_again_and_arrive_late(world: World) -> None:
    addon = await world.provisioned("store:payg")
    start = world.ctx.clock.now()
    world.ctx.clock.advance(hours=9)
    totals = [(1, "10"), (2, "25"), (3, "4"), (4, "9")]
    reports = [report(addon.id, str(hour), total, start + hour * HOUR, "total") for hour, total in totals]
    for arriving in (reports[3:], reports[1:2], reports[:1], reports[2:3]):
        await sent(world.ctx, *arriving)
    assert (await metered_line(world, "total")).quantity == 25 + 9


async def test_running_totals_and_averages_go_on_from_the_month_before(world: World) -> None:
    addon = await world.provisioned("store:payg")
    start = world.ctx.clock.now()
    world.ctx.clock.advance(hours=3)
    await sent(world.ctx, report(addon.id, "1", "100", start + HOUR, "total", subject="eu"))
    await sent(world.ctx, report(addon.id, "2", "70", start + 2 * HOUR, "total", subject="us"))
    await sent(world.ctx, report(addon.id, "3", "900", start + 3 * HOUR, "total", subject="us"))
    await sent(world.ctx, report(addon.id, "4", "0", voids="3"), report(addon.id, "5", "6", start + HOUR, "memory"))
    await sent(world.ctx, report(addon.id, "6", "80", start + 3 * HOUR, "total", subject="us"))
    await sent(world.ctx, report(addon.id, "7", "0", voids="6"), report(addon.id, "8", "0", voids="7"))
    world.ctx.clock.advance(days=20)
    now = world.ctx.clock.now()
    await sent(world.ctx, report(addon.id, "9", "130", now, "total", subject="eu"))
    await sent(world.ctx, report(addon.id, "10", "81", now, "total", subject="us"))
    world.ctx.clock.advance(days=22)
    assert (await metered_line(world, "total", "2026-12")).quantity == 30 + 1
    assert (await metered_line(world, "memory", "2026-12")).quantity == 6, "it stood for the whole month"


async def test_different_things_are_counted_once_each(world: World) -> None:
    addon = await world.provisioned("store:payg")
    people = ["ann", "bob", "ann"]
    await sent(world.ctx, *(report(addon.id, str(n), "1", None, "seats", subject=p) for n, p in enumerate(people)))
    world.ctx.clock.advance(hours=1)
    line = await metered_line(world, "seats")
    assert (line.quantity, line.minor) == (2, 200)


async def test_the_order_of_arrival_changes_nothing(world: World) -> None:
    addon = await world.provisioned("store:payg")
    start = world.ctx.clock.now()
    world.ctx.clock.advance(hours=5)
    reports = [
        report(addon.id, "a", "5", start + HOUR),
        report(addon.id, "b", "7", start + 2 * HOUR),
        report(addon.id, "c", "0", voids="a"),
        report(addon.id, "d", "0", voids="c"),
    ]

    async def outcome(order: Sequence[Report]) -> Fraction:
        async with world.ctx.database.undone():  # type: ignore[attr-defined]  # the database of these tests has it
            for each in order:
                assert await statuses(world.ctx, each) == [Status.ACCEPTED]
            return (await metered_line(world)).quantity

    assert {await outcome(order) for order in itertools.permutations(reports)} == {Fraction(12)}


async def test_huge_quantities_stay_exact(world: World) -> None:
    addon = await world.provisioned("store:payg")
    await sent(world.ctx, report(addon.id, "1", "123456789012345678901234567890"), report(addon.id, "2", "0"))
    world.ctx.clock.advance(hours=1)
    assert (await metered_line(world)).minor == 61728394506172839450617283945


async def test_a_report_is_used_up_by_one_line(world: World) -> None:
    addon = await world.provisioned("store:payg")
    now = world.ctx.clock.now()
    await sent(world.ctx, report(addon.id, "1", "5", now), report(addon.id, "2", "5", now + SECOND))
    spans = [(now, now + SECOND), (now + 5 * SECOND, now + HOUR)]
    async with world.ctx.database.transaction() as tx:
        used = [await use_up(tx, [MeteredLine(new_id(), addon.id, "rows", spans)]) for _ in range(2)]
        rest = await use_up(tx, [MeteredLine(new_id(), addon.id, "rows", [(now, now + HOUR)])])
    assert (used, rest) == ([1, 0], 1)
