"""Somebody with a paid add-on, a free one, a card that is declined, and an invoice: what tests of dunning play with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from broker.addons.follow_account import follow_accounts
from broker.addons.queries import AddonView
from broker.apps.config_vars import get_config_vars
from broker.billing.collect import record_collected
from broker.billing.invoices import issue_finalized
from broker.kernel.context import Context
from broker.kernel.ids import new_id
from broker.notices.models import Notice
from broker.payments.delinquency import look_again
from broker.payments.dunning import dun
from broker.payments.dunning_models import Dunning
from broker.payments.dunning_schedule import Days
from broker.payments.models import Payment, PaymentMethod
from broker.payments.ports import ActionNeeded, Declined, Pending
from broker.payments.settle import settle
from broker.payments.standing import standing_of
from tests.addons.conftest import World, make_world
from tests.billing.test_close import after, close_all, invoices
from tests.domain import new_user

DAYS = Days()
BROKE = Declined("card_declined", "The card was declined.")


@dataclass
class Debtor:
    """Somebody with a paid add-on, a free one, a card, and an invoice."""

    world: World
    paid: AddonView
    free: AddonView
    issued_at: datetime
    invoice_id: UUID
    number: str
    answer: Any = BROKE
    """What the bank says."""

    @property
    def ctx(self) -> Context:
        return self.world.ctx

    async def round(self) -> None:
        """What the worker does, until nothing is due; the bank answers at once."""
        await dun(self.ctx, DAYS)
        while await self.is_due() or await self.bank() or await follow_accounts(self.ctx):
            await dun(self.ctx, DAYS)

    async def is_due(self) -> bool:
        due = select(func.count()).where(Dunning.ended_at.is_(None), Dunning.next_at <= self.ctx.clock.now())
        async with self.ctx.database.transaction() as tx:
            return bool((await tx.execute(due)).scalar())

    async def bank(self) -> int:
        open_ones = select(Payment.id, Payment.fencing).where(Payment.finished_at.is_(None))
        async with self.ctx.database.transaction() as tx:
            payments = (await tx.execute(open_ones)).all()
        for payment_id, fencing in payments:
            await settle(self.ctx, payment_id, fencing, self.answer, timedelta(days=1))
        return 0 if isinstance(self.answer, Pending | ActionNeeded) else len(payments)

    async def until_day(self, day: float) -> None:
        """Let the worker work up to this day after the issue, whenever something is due."""
        until = self.issued_at + timedelta(days=day, minutes=10)
        while (now := self.ctx.clock.now()) < until:
            async with self.ctx.database.transaction() as tx:
                due = (await tx.execute(select(func.min(Dunning.next_at)).where(Dunning.ended_at.is_(None)))).scalar()
            reached = until if due is None else max(min(due, until), now + timedelta(minutes=1))
            self.ctx.clock.advance(seconds=(reached - now).total_seconds())
            await self.round()

    async def pay(self) -> None:
        """Money for all of it, as a bank transfer would bring it."""
        async with self.ctx.database.transaction() as tx:
            now = self.ctx.clock.now()
            await record_collected(tx, self.invoice_id, 1666, f"transfer {new_id()}", now)
            await look_again(tx, self.world.user.id, now)
        await follow_accounts(self.ctx)

    async def account(self) -> Any:
        async with self.ctx.database.transaction() as tx:
            return await standing_of(tx, self.world.user.id)

    async def state(self) -> str:
        (bill,) = await invoices(self.ctx)
        return str(bill.state)

    async def notices(self, kind: str | None = None) -> list[Any]:
        async with self.ctx.database.transaction() as tx:
            rows = (await tx.execute(select(Notice.kind, Notice.facts).order_by(Notice.created_at, Notice.id))).all()
        return [row for row in rows if kind in (None, row.kind)]

    async def env(self) -> list[str]:
        return sorted(await get_config_vars(self.ctx, self.world.user, "shop"))

    async def addon(self) -> AddonView:
        return await self.world.read(self.paid.id)


@pytest.fixture
async def debtor(ctx: Context) -> Debtor:
    return await make_debtor(ctx)


async def make_debtor(ctx: Context) -> Debtor:
    world = await make_world(ctx, await new_user(ctx, "alice@example.com"))
    paid = await world.provisioned("store:big", attachment_name="PAID")
    free = await world.provisioned(attachment_name="FREE")
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        card = {"id": new_id(), "account_id": world.user.id, "gateway": "test", "reference": "card", "brand": "visa"}
        card |= {"last4": "0341", "exp_month": 1, "exp_year": 2030, "state": "active", "is_default": True}
        await tx.execute(insert(PaymentMethod).values(card | {"created_at": now, "updated_at": now}))
    after(ctx)
    await close_all(ctx)
    await issue_finalized(ctx)
    (bill,) = await invoices(ctx)
    return Debtor(world, paid, free, bill.issued_at, bill.id, bill.number)
