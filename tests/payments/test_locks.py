"""Use cases about money that meet another transaction in a bad moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from broker.billing.models import Invoice
from broker.kernel.context import Context
from broker.kernel.db import Database, Tx
from broker.payments.by_hand import pay_invoice
from broker.payments.delinquency import exhaust
from broker.payments.dunning import dun
from broker.payments.dunning_models import Dunning, DunningStep
from broker.payments.dunning_schedule import Days
from broker.payments.receipts import Sent, receive
from broker.payments.refunds import refund_payment
from broker.payments.setups import advance_setup, begin_setup, get_setup
from broker.payments.transfers import record_transfer
from tests.addons.conftest import make_world
from tests.billing.test_books import billed
from tests.domain import new_user
from tests.payments.debtor import make_debtor
from tests.payments.fake import FakeGateway, with_card
from tests.waiting import until


class Deadlock(Exception):
    sqlstate = "40P01"


class Unlucky(Database):
    """The database, whose transactions are ended once when they are all but done."""

    def __init__(self, database: Database, at: int = 1) -> None:
        super().__init__(database.engine)
        self._database, self._left = database, at

    @asynccontextmanager
    async def _begin(self, snapshot: bool) -> AsyncIterator[Tx]:
        self._left -= 1
        async with self._database._begin(snapshot) as tx:
            yield tx
            if not self._left:
                raise DBAPIError("commit", None, Deadlock())


async def test_a_deadlock_is_nobodys_error(ctx: Context) -> None:
    """It is run again from the start, and happens once."""
    world = await make_world(ctx, await new_user(ctx, "alice@example.com"))
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    gateway = FakeGateway()
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)

    def unlucky(at: int = 1) -> Context:
        return replace(ctx, database=Unlucky(ctx.database, at))

    paid = await record_transfer(unlucky(), operator, number, 500, "SEPA 1")
    assert (await receive(unlucky(), operator, Sent("alice@example.com", 200, "SEPA 2"))).parts == [[number, 200, 300]]
    assert (await refund_payment(unlucky(), operator, str(paid.id), 100, "sorry")).state == "succeeded"
    assert (await pay_invoice(unlucky(), world.user, number)).minor == 300
    verified = replace(ctx, rules=replace(ctx.rules, paid_plans_need_verification=True))
    setup = await begin_setup(verified, world.user)
    await advance_setup(unlucky(3), gateway, setup)
    assert (await get_setup(ctx, world.user, str(setup))).state == "open"


async def test_what_is_taken_up_again_at_the_last_moment_does_not_count_as_uncollectible(live_ctx: Context) -> None:
    debtor = await make_debtor(live_ctx)
    await dun(live_ctx, Days())
    now, mine = live_ctx.clock.now(), DunningStep.invoice_id == debtor.invoice_id
    async with live_ctx.database.transaction() as tx:
        await tx.execute(update(DunningStep).where(mine).values(done_at=now))
        await tx.execute(update(Dunning).values(past_due_at=now))
    taken, waits = asyncio.Event(), asyncio.Event()

    async def take_up() -> None:
        async with live_ctx.database.transaction() as tx:
            await tx.execute(select(Invoice.id).where(Invoice.id == debtor.invoice_id).with_for_update())
            taken.set()
            await waits.wait()
            await tx.execute(update(DunningStep).where(mine, DunningStep.step == "delete").values(done_at=None))

    async def end() -> None:
        await taken.wait()
        async with live_ctx.database.transaction() as tx:
            await exhaust(tx, debtor.world.user.id, now)

    async def is_waiting() -> bool:
        async with live_ctx.database.transaction() as tx:
            return bool((await tx.execute(text("select count(*) from pg_locks where not granted"))).scalar())

    both: Any = [asyncio.create_task(each) for each in (take_up(), end())]
    await until(is_waiting)
    waits.set()
    await asyncio.gather(*both)
    assert await debtor.state() == "issued"
