"""A worker that is killed everywhere in a payment: one charge, whatever happens, and one entry in the books."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.billing.invoices import issue_finalized
from broker.billing.models import Invoice, InvoiceState, LedgerTransaction
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Database, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from broker.payments.models import Payment
from broker.payments.pay import pay
from broker.payments.ports import ChargeCall, Charged, Succeeded
from broker.payments.start import collect_issued
from tests.addons.conftest import MANIFEST
from tests.billing.test_close import after, close_all, used
from tests.chaos.dying import survives
from tests.domain import StoppedClock, new_user
from tests.payments.fake import FakeGateway, later, with_card

pytestmark = pytest.mark.timeout(300)
PAYMENTS, STRIDE = 40, 3
"""Killed is at every third await: together more than there are in one payment."""


@dataclass
class LastingGateway(FakeGateway):
    """Keeps its keys in files, so that it outlives those who ask it. It takes its time before and after."""

    folder: Path = Path()

    async def charge(self, call: ChargeCall) -> Charged:
        await asyncio.sleep(0)
        kept = self.folder / str(call.payment_id)
        with kept.open("a") as file:
            file.write("asked\n")
        if kept.read_text() == "asked\n":
            with (self.folder / "money").open("a") as file:
                file.write(f"{call.payment_id}\n")
        await asyncio.sleep(0)
        return Succeeded(f"pi_{call.payment_id}")


async def started(ctx: Context, gateway: LastingGateway) -> list[UUID]:
    """Payments of as many accounts, which nobody works on yet."""
    await publish(ctx, parse(MANIFEST), SYSTEM)
    for number in range(PAYMENTS):
        payer = await new_user(ctx, f"user{number}@example.com")
        await used(ctx, payer, 1000, 30)
        await with_card(ctx, gateway, payer)
    after(ctx)
    await close_all(ctx)
    await issue_finalized(ctx)
    assert await collect_issued(ctx) == PAYMENTS
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Payment.id))).scalars())


async def booked(ctx: Context) -> tuple[int, int]:
    """How often money came in, and how many invoices are paid."""
    async with ctx.database.transaction() as tx:
        paid = select(func.count(Invoice.id)).where(Invoice.state == InvoiceState.PAID)
        came = select(func.count(LedgerTransaction.id)).where(LedgerTransaction.kind == "payment")
        return (await tx.execute(came)).scalar_one(), (await tx.execute(paid)).scalar_one()


def test_a_kill_anywhere_leaves_one_charge(live_database: str, vault: Vault, tmp_path: Path) -> None:
    clock, gateway = StoppedClock(), LastingGateway(folder=tmp_path)

    def context() -> Context:
        database = Database(create_async_engine(async_url(live_database), poolclass=NullPool))
        return Context(database, clock, vault, Signals(live_database))

    with asyncio.Runner() as runner:
        living = context()
        payments = runner.run(started(living, gateway))
        for killed, payment in enumerate(payments):

            async def pay_once(payment: UUID = payment) -> None:
                await pay(context(), gateway, payment)

            if survives(pay_once, killed * STRIDE):
                break
            later(living, minutes=3)  # until its lease is over
            runner.run(pay(living, gateway, payment))
        done = killed + 1
        assert 15 < done < PAYMENTS, "there were awaits, and a last one"
        money = (tmp_path / "money").read_text().split()
        assert sorted(money) == sorted(map(str, payments[:done])), "each was charged, and once"
        assert runner.run(booked(living)) == (done, done)
