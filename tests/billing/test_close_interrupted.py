"""Closing a month while it is killed at every await, run by several at once, and when a batch fails."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.addons.billed_names import billed_names
from broker.billing.close import close_due
from broker.billing.models import Invoice, InvoiceCounter, LedgerTransaction
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Database, Tx, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from tests.addons.conftest import MANIFEST
from tests.billing.test_close import after, close_all, used
from tests.chaos.dying import survives
from tests.domain import StoppedClock, new_user

pytestmark = pytest.mark.timeout(300)


async def with_accounts(ctx: Context, many: int) -> None:
    """Accounts that owe something for November, and the time at which they are to be billed."""
    await publish(ctx, parse(MANIFEST), SYSTEM)
    for number in range(many):
        await used(ctx, await new_user(ctx, f"user{number}@example.com"), 1000, 30)
    after(ctx)


async def counted(ctx: Context) -> tuple[int, int, int]:
    """Invoices with a number, events in the ledger, and the last number."""
    async with ctx.database.transaction() as tx:
        return (
            (await tx.execute(select(func.count(Invoice.number)))).scalar_one(),
            (await tx.execute(select(func.count(LedgerTransaction.id)))).scalar_one(),
            (await tx.execute(select(func.coalesce(func.max(InvoiceCounter.last), 0)))).scalar_one(),
        )


def test_a_kill_at_every_await_leaves_one_invoice_or_none(live_database: str, vault: Vault) -> None:
    clock = StoppedClock()

    def context() -> Context:
        database = Database(create_async_engine(async_url(live_database), poolclass=NullPool))
        return Context(database, clock, vault, Signals(live_database))

    async def close_once() -> None:
        await close_due(context(), billed_names)

    with asyncio.Runner() as runner:
        living = context()
        runner.run(with_accounts(living, 1))
        seen = set()
        for awaits in range(1000):
            lived = survives(close_once, awaits)
            seen.add(runner.run(counted(living)))
            if lived:
                break
        assert awaits > 10
        assert seen == {(0, 0, 0), (1, 1, 1)}
        runner.run(close_all(living))
        assert runner.run(counted(living)) == (1, 1, 1)


async def test_several_that_close_at_once_make_one_bill_each_without_a_gap(live_ctx: Context) -> None:
    await with_accounts(live_ctx, 20)

    async def closer() -> int:
        accounts = 0
        while (closed := await close_due(live_ctx, billed_names, batch=3, wait=True)).more:
            accounts += closed.accounts
        return accounts

    assert sum(await asyncio.gather(*(closer() for _ in range(4)))) == 20
    assert await counted(live_ctx) == (20, 20, 20)


async def test_whoever_does_not_wait_leaves_at_once(live_ctx: Context) -> None:
    await with_accounts(live_ctx, 1)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx, held: Collection[Any], until: datetime) -> dict[Any, Any]:
        inside.set()
        await go_on.wait()
        return await billed_names(tx, held, until)

    first = asyncio.create_task(close_due(live_ctx, slowly))
    await inside.wait()
    assert not (await close_due(live_ctx, billed_names)).more
    go_on.set()
    assert (await first).accounts == 1


async def test_a_batch_that_fails_uses_up_no_number(live_ctx: Context) -> None:
    await with_accounts(live_ctx, 2)

    async with live_ctx.database.transaction() as tx:
        await tx.execute(text("alter table ledger_transactions add constraint never check (false)"))
    with pytest.raises(IntegrityError, match="never"):  # the numbers have been taken by then
        await close_due(live_ctx, billed_names)
    assert await counted(live_ctx) == (0, 0, 0)
    async with live_ctx.database.transaction() as tx:
        await tx.execute(text("alter table ledger_transactions drop constraint never"))
    await close_all(live_ctx)
    assert await counted(live_ctx) == (2, 2, 2)
