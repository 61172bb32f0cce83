"""A clock that is set forward: what waits for time happens, in its order, and nobody else's clock is moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from broker.addons.change_plan import change_plan
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.wait import NO_WAIT
from broker.clock_steps import LONGEST, step_forward, until_next_due
from broker.kernel.ahead import FARTHEST, aim_clock, follow, get_clock, later
from broker.kernel.clock import AheadClock, SystemClock
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import new_id
from tests.addons.conftest import done
from tests.domain import START, StoppedClock
from tests.waiting import until
from tests.worker.test_worker import Live, live, working

__all__ = ["live"]

OPERATOR = Actor(new_id(), "operator@example.com", frozenset({Scope.GLOBAL}), is_operator=True)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def ahead(live: Live) -> Live:
    """The live world by a clock that can be set forward."""
    ctx = replace(live.world.ctx, clock=AheadClock(SystemClock()))
    settings = live.wiring.settings.model_copy(update={"test_clock": True})
    return Live(replace(live.world, ctx=ctx), replace(live.wiring, context=ctx, settings=settings))


@asynccontextmanager
async def arrived(ahead: Live, at: datetime) -> AsyncIterator[None]:
    """Inside, the clock has been set forward to then, and the worker has stopped."""
    ctx = ahead.world.ctx
    async with working(ahead.wiring):
        await aim_clock(ctx, OPERATOR, at)

        async def is_there() -> bool:
            return (await get_clock(ctx, OPERATOR)).aim_at is None

        await until(is_there, within_s=240)
    yield


async def begin_at(ahead: Live, at: datetime) -> None:
    """Let the clock say so, or what it says anyway if that is later."""
    ctx = ahead.world.ctx
    assert isinstance(ctx.clock, AheadClock)
    ctx.clock.ahead = max(timedelta(seconds=int((at - ctx.wall.now()).total_seconds())), timedelta(0))
    async with ctx.database.transaction() as tx:
        row = "insert into clock_ahead (id, ahead_s, updated_at) values (1, :s, now())"
        await tx.execute(text(row), {"s": int(ctx.clock.ahead.total_seconds())})


async def test_a_month_ends_and_everything_about_it_happens_in_order(ahead: Live) -> None:
    world = ahead.world
    today = world.ctx.wall.now().replace(hour=0, minute=0, second=0, microsecond=0)
    month_end = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    await begin_at(ahead, month_end - timedelta(days=1))
    world.provider.will(done("store://secret"), Reply(Answer.LOST), Reply(Answer.DONE, 200, "", config={}))
    async with working(ahead.wiring):
        addon = await ahead.add(name="my-store", wait=timedelta(seconds=10))
        await change_plan(world.ctx, world.user, AddonKey("my-store"), "store:big")
    before = world.ctx.clock.now()
    async with arrived(ahead, month_end + timedelta(days=5)):
        assert month_end + timedelta(days=5) - world.ctx.clock.now() <= timedelta(seconds=2)
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED
    statement = text("select kind, at from events where kind in ('addon.plan_changed', 'invoice.issued') order by id")
    async with world.ctx.database.transaction() as tx:
        found = [tuple(row) for row in await tx.execute(statement)]
    assert [kind for kind, _ in found][:2] == ["addon.plan_changed", "invoice.issued"]
    assert before < found[0][1] < before + timedelta(hours=1)
    assert timedelta(days=3) < found[1][1] - month_end < timedelta(days=4)


async def test_what_has_begun_when_the_clock_is_set_is_done_before_it_moves(ahead: Live) -> None:
    ctx = ahead.world.ctx
    ahead.provider.will(done())
    await ahead.add(NO_WAIT)
    before = ctx.clock.now()
    await aim_clock(ctx, OPERATOR, later(before, "5h"))

    async def is_taken_in_hand() -> bool:
        return bool(await ahead.one(text("select lease_until is not null from clock_ahead")))

    async def is_there() -> bool:
        return (await get_clock(ctx, OPERATOR)).aim_at is None

    first = asyncio.create_task(step_forward(ahead.wiring))
    await until(is_taken_in_hand)
    assert await ahead.one(text("select ahead_s from clock_ahead")) == 0
    async with working(ahead.wiring):
        assert await first
        await until(is_there, within_s=240)
    assert ctx.clock.now() >= before + timedelta(hours=5) - timedelta(seconds=2)
    ready = await ahead.one(text("select at from events where kind = 'addon.provisioned'"))
    assert ready < before + timedelta(hours=1)


async def test_tokens_go_by_the_machines_clock(ahead: Live) -> None:
    ctx = ahead.world.ctx
    async with arrived(ahead, later(ctx.clock.now(), "3h")):
        assert ctx.clock.now() - ctx.wall.now() >= timedelta(hours=2)  # some of the three has passed by itself


async def test_every_process_follows(live_ctx: Context) -> None:
    ctx = replace(live_ctx, clock=AheadClock(StoppedClock()))
    clock = AheadClock(StoppedClock())
    other = replace(live_ctx, clock=clock)
    following = asyncio.create_task(follow(other, clock))
    try:
        async with ctx.database.transaction() as tx:
            await tx.execute(text("insert into clock_ahead (id, ahead_s, updated_at) values (1, 60, now())"))
        await aim_clock(ctx, OPERATOR, START + timedelta(hours=1))

        async def followed() -> bool:
            return clock.now() == START + timedelta(minutes=1)

        await until(followed)
    finally:
        following.cancel()


async def test_only_operators_have_a_clock_and_only_where_there_is_one(ctx: Context) -> None:
    with pytest.raises(NotFound, match="BROKER_TEST_CLOCK"):
        await get_clock(ctx, OPERATOR)
    ahead = replace(ctx, clock=AheadClock(StoppedClock()))
    with pytest.raises(NotFound):
        await get_clock(ahead, replace(OPERATOR, is_operator=False))
    for wrong in (START, START - timedelta(days=1), START + FARTHEST + timedelta(seconds=1)):
        with pytest.raises(InvalidParams):
            await aim_clock(ahead, OPERATOR, wrong)
    assert (await get_clock(ahead, OPERATOR)).aim_at is None


@pytest.mark.parametrize(
    ("span", "then"),
    [
        ("12h", datetime(2026, 2, 1, tzinfo=UTC)),
        ("1 day", datetime(2026, 2, 1, 12, tzinfo=UTC)),
        ("2weeks", datetime(2026, 2, 14, 12, tzinfo=UTC)),
        ("1month", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ("12 months", datetime(2027, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_spans_are_calendar_months_and_whole_hours(span: str, then: datetime) -> None:
    assert later(NOON, span) == then


@pytest.mark.parametrize("span", ["", "month", "-1d", "1.5h", "1y", "99999d", "9999months", "1m"])
def test_other_spans_are_refused(span: str) -> None:
    with pytest.raises(InvalidParams):
        later(NOON, span)


async def test_a_step_ends_where_something_is_due(ahead: Live) -> None:
    ctx = ahead.world.ctx
    assert await until_next_due(ctx) == LONGEST
    await ahead.add(wait=timedelta(0))
    async with ctx.database.transaction() as tx:
        await tx.execute(text("update operations set next_at = :at"), {"at": ctx.clock.now() + timedelta(minutes=5)})
    assert timedelta(minutes=4) < await until_next_due(ctx) <= timedelta(minutes=5)
