import asyncio

import asyncpg

from broker.kernel.context import Context
from broker.kernel.ids import new_id
from broker.kernel.signals import notify

END_LISTENERS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'broker-signals'"


async def end_listeners(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return len(await connection.fetch(END_LISTENERS))
    finally:
        await connection.close()


async def tell(ctx: Context, subject: object) -> None:
    async with ctx.database.transaction() as tx:
        await notify(tx, subject)


async def test_every_waiter_of_a_subject_is_woken_and_no_other(live_ctx: Context) -> None:
    mine, others = new_id(), new_id()
    signals = live_ctx.signals
    async with (
        signals.subscribe(mine) as first,
        signals.subscribe(mine) as second,
        signals.subscribe(others) as third,
        asyncio.timeout(5),
    ):
        await tell(live_ctx, mine)
        await first.wait()
        await second.wait()
        assert not third.is_set()


async def test_a_notice_that_was_rolled_back_wakes_nobody(live_ctx: Context) -> None:
    subject, later = new_id(), new_id()
    async with live_ctx.signals.subscribe(subject) as event, live_ctx.signals.subscribe(later) as after:
        try:
            async with live_ctx.database.transaction() as tx:
                await notify(tx, subject)
                raise RuntimeError
        except RuntimeError:
            await tell(live_ctx, later)
        async with asyncio.timeout(5):
            await after.wait()
        assert not event.is_set()


async def test_a_lost_connection_is_made_again_and_wakes_whoever_may_have_missed_something(
    live_ctx: Context, live_database: str
) -> None:
    subject = new_id()
    async with live_ctx.signals.subscribe(subject) as event, asyncio.timeout(10):
        assert await end_listeners(live_database) == 1
        await event.wait()
        event.clear()
        await tell(live_ctx, subject)
        await event.wait()


async def test_who_no_longer_waits_is_forgotten(live_ctx: Context) -> None:
    subject, other = new_id(), new_id()
    async with live_ctx.signals.subscribe(subject) as gone:
        pass
    async with live_ctx.signals.subscribe(other) as event, asyncio.timeout(5):
        await tell(live_ctx, subject)
        await tell(live_ctx, other)
        await event.wait()
    assert not gone.is_set()
