"""A run of payouts that is killed at every await, and runs beside one another: one payout each, and the ledger agrees."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.billing.collect import record_collected, record_refunded
from broker.billing.invoices import issue_finalized
from broker.billing.models import LedgerEntry, LedgerTransaction
from broker.billing.share_models import PartnerShare
from broker.catalog.manifest import parse
from broker.catalog.members import Role, set_member
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Database, async_url
from broker.kernel.errors import Conflict
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from broker.payouts.check import check_payouts
from broker.payouts.draft import draft_payouts
from broker.payouts.models import Payout
from tests.addons.conftest import MANIFEST
from tests.billing.test_close import after, close_all, invoices, used
from tests.chaos.dying import survives
from tests.domain import StoppedClock, new_user

pytestmark = pytest.mark.timeout(300)
OPERATOR = replace(SYSTEM, is_operator=True)


async def invoiced(ctx: Context) -> list[UUID]:
    """Two invoices of 50.00, in different currencies."""
    await publish(ctx, parse(MANIFEST), SYSTEM)
    partner = await new_user(ctx, "paula@example.com")
    await set_member(ctx, OPERATOR, "store", partner.email, Role.OWNER)
    for currency in ("eur", "usd"):
        await used(ctx, await new_user(ctx, f"{currency}@example.com"), 5000, 30, currency=currency)
    after(ctx)
    await close_all(ctx)
    await issue_finalized(ctx)
    return [each.id for each in await invoices(ctx)]


async def paid(ctx: Context, clock: StoppedClock) -> None:
    for invoice_id in await invoiced(ctx):
        async with ctx.database.transaction() as tx:
            await record_collected(tx, invoice_id, 5000, f"payment {invoice_id}", ctx.clock.now())
    clock.advance(days=15)


async def payouts(ctx: Context) -> tuple[int, ...]:
    """What was drafted; the ledger and the shares agree with it."""
    async with ctx.database.transaction() as tx:
        assert await check_payouts(tx) == []
        return tuple((await tx.execute(select(Payout.minor).order_by(Payout.id))).scalars())


def test_a_kill_at_every_await_leaves_one_payout_or_none(live_database: str, vault: Vault) -> None:
    clock = StoppedClock()

    def context() -> Context:
        database = Database(create_async_engine(async_url(live_database), poolclass=NullPool))
        return Context(database, clock, vault, Signals(live_database))

    async def draft() -> None:
        await draft_payouts(context(), OPERATOR)

    with asyncio.Runner() as runner:
        living = context()
        runner.run(paid(living, clock))
        seen = set()
        for awaits in range(1000):
            lived = survives(draft, awaits)
            seen.add(runner.run(payouts(living)))
            if lived:
                break
        assert awaits > 10
        assert seen == {(), (3500,), (3500, 3500)}
        runner.run(draft_payouts(living, OPERATOR))
        assert runner.run(payouts(living)) == (3500, 3500)


async def test_runs_beside_one_another_draft_each_payout_once(live_ctx: Context, clock: StoppedClock) -> None:
    await paid(live_ctx, clock)
    runs = await asyncio.gather(*(draft_payouts(live_ctx, OPERATOR) for _ in range(4)))
    assert sum(len(run.payouts) for run in runs) == 2
    assert await payouts(live_ctx) == (3500, 3500)


async def test_a_payment_told_by_several_at_once_counts_once_and_refunds_stop_at_what_was_paid(
    live_ctx: Context,
) -> None:
    invoice_id, other_id = await invoiced(live_ctx)

    async def collect(key: str, minor: int) -> int:
        async with live_ctx.database.transaction() as tx:
            return await record_collected(tx, invoice_id, minor, key, live_ctx.clock.now())

    async def refund(key: str) -> bool:
        try:
            async with live_ctx.database.transaction() as tx:
                await record_refunded(tx, invoice_id, None, 2000, key, live_ctx.clock.now())
        except Conflict:
            return False
        return True

    assert await asyncio.gather(*(collect("payment 1", 3000) for _ in range(8))) == [2000] * 8
    assert min(await asyncio.gather(collect("payment 2", 1500), collect("payment 3", 500))) == 0
    assert sorted(await asyncio.gather(*(refund(f"refund {number}") for number in range(4)))) == [
        False,
        False,
        True,
        True,
    ]
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.sum(PartnerShare.share_minor)))).scalar_one() == 700
        cash = select(func.sum(LedgerEntry.minor)).where(LedgerEntry.ledger_account == "cash")
        assert (await tx.execute(cash)).scalar_one() == 1000
        events = select(func.count()).where(LedgerTransaction.invoice_id == invoice_id)
        assert (await tx.execute(events)).scalar_one() == 1 + 3 + 2
        with pytest.raises(Conflict, match="names another event"):
            await record_collected(tx, other_id, 1, "payment 1", live_ctx.clock.now())
