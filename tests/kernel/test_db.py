import asyncio
from contextvars import Context as ContextVars

import pytest
from sqlalchemy import select, text

from broker.apps.create import CreateApp, create_app
from broker.apps.models import App
from broker.kernel.context import Context
from broker.kernel.db import Database, again_on_deadlock, async_url, connect, in_transaction, libpq_url
from broker.kernel.errors import Overloaded
from broker.kernel.jobs import defer
from tests.domain import new_user


async def jobs(ctx: Context) -> list[str]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(text("select task_name from procrastinate_jobs order by id"))).scalars())


async def change_and_fail(ctx: Context) -> None:
    async with ctx.database.transaction() as tx:
        await defer(tx, "some.job", {})
        await tx.execute(text("insert into users (id, email, created_at, updated_at) values (:id, 'x', now(), now())"),
                         {"id": "00000000-0000-7000-8000-000000000001"})  # fmt: skip
        raise RuntimeError("boom")


async def test_an_exception_undoes_everything_jobs_included(live_ctx: Context) -> None:
    await new_user(live_ctx, "kept@example.com")
    with pytest.raises(RuntimeError, match="boom"):
        await change_and_fail(live_ctx)
    assert await jobs(live_ctx) == []
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(text("select email from users"))).scalars().all() == ["kept@example.com"]
        await defer(tx, "some.job", {"a": 1})
    assert await jobs(live_ctx) == ["some.job"]


async def test_a_transaction_within_a_transaction_is_refused(ctx: Context) -> None:
    async with ctx.database.transaction():
        assert in_transaction()
        with pytest.raises(RuntimeError, match="open already"):
            await use(ctx.database)
        assert in_transaction()
    assert not in_transaction()


async def test_without_a_free_connection_the_caller_is_told_to_come_back(live_database: str) -> None:
    small = connect(live_database, pool_size=1, pool_timeout_s=0.05)
    async with small.transaction():
        with pytest.raises(Overloaded):
            await asyncio.get_running_loop().create_task(use(small), context=ContextVars())
    await use(small)
    await small.close()


async def use(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("select 1"))


async def test_of_two_that_wait_for_one_another_both_succeed_in_the_end(live_ctx: Context) -> None:
    owner = await new_user(live_ctx, "owner@example.com")
    names = ("first", "second")
    for name in names:
        await create_app(live_ctx, owner, CreateApp(name=name))
    both_hold_one = asyncio.Barrier(2)
    tries = []

    async def lock(*order: str) -> None:
        tries.append(order)
        async with live_ctx.database.transaction() as tx:
            for name in order:
                await tx.execute(select(App.id).where(App.name == name).with_for_update())
                if name == order[0] and tries.count(order) == 1:
                    await both_hold_one.wait()

    async with asyncio.timeout(10):
        await asyncio.gather(
            again_on_deadlock(lambda: lock("first", "second")), again_on_deadlock(lambda: lock("second", "first"))
        )
    assert len(tries) == 3


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_any_postgres_url_will_do(scheme: str) -> None:
    assert libpq_url(f"{scheme}://u:p@h/d") == "postgresql://u:p@h/d"
    assert async_url(f"{scheme}://u:p@h/d").drivername == "postgresql+asyncpg"


def test_no_other_database_is_supported() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        libpq_url("mysql://h/d")
