"""What becomes of an account that does not pay: the thirty days, on the days that it was told, and every way out of them."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update

from broker.addons.create import CreateAddon, create_addon
from broker.addons.follow_account import follow_accounts
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.apps.config_vars import get_config_vars
from broker.billing.collect import record_collected
from broker.billing.invoices import issue_finalized
from broker.billing.models import BillingAccount
from broker.kernel.clock import rfc3339
from broker.kernel.context import Context
from broker.kernel.errors import PaymentRequired
from broker.kernel.ids import new_id
from broker.notices.models import Notice
from broker.payments.delinquency import look_again
from broker.payments.disputes import dispute, end_dispute
from broker.payments.dunning import dun
from broker.payments.dunning_models import Dunning
from broker.payments.dunning_schedule import Days
from broker.payments.models import Payment, PaymentMethod
from broker.payments.ports import Declined, Pending, Succeeded
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
        while await dun(self.ctx, DAYS) or await self.bank() or await follow_accounts(self.ctx):
            pass

    async def bank(self) -> int:
        open_ones = select(Payment.id, Payment.fencing).where(Payment.finished_at.is_(None))
        async with self.ctx.database.transaction() as tx:
            payments = (await tx.execute(open_ones)).all()
        for payment_id, fencing in payments:
            await settle(self.ctx, payment_id, fencing, self.answer, timedelta(days=1))
        return 0 if isinstance(self.answer, Pending) else len(payments)

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


async def test_the_thirty_days_of_an_account_that_does_not_pay(debtor: Debtor) -> None:
    issued, ctx = debtor.issued_at, debtor.ctx
    suspends, deletes = issued + timedelta(days=14), issued + timedelta(days=30)
    await debtor.round()
    assert await debtor.state() == "past_due"
    account = await debtor.account()
    assert (account.delinquent_at, account.suspended_at) == (issued, None)
    assert (account.suspends_at, account.deletes_at) == (suspends, deletes)
    with pytest.raises(PaymentRequired, match="billing:status"):
        await create_addon(ctx, debtor.world.user, CreateAddon("shop", "store:big"))
    await create_addon(ctx, debtor.world.user, CreateAddon("shop", "store:free"))

    await debtor.until_day(13.9)
    async with ctx.database.transaction() as tx:
        tries = (await tx.execute(select(Payment.created_at).order_by(Payment.attempt))).scalars().all()
    assert [(at - issued).days for at in tries] == [0, 3, 5, 7]
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]

    await debtor.until_day(14)
    assert await debtor.env() == ["FREE_URL"]
    assert (await debtor.addon()).suspended_for == "unpaid"
    account = await debtor.account()
    assert account.suspended_at is not None
    assert (account.suspends_at, account.deletes_at) == (None, deletes)

    await debtor.until_day(29.9)
    told = await debtor.notices("account.deletes")
    assert [facts["step"] for _, facts in told] == ["notice-14", "notice-7", "notice-3"]
    assert {facts["deletes_at"] for _, facts in told} == {rfc3339(deletes)}
    assert [facts["is_last"] for _, facts in told] == [False, False, True]
    assert (await debtor.addon()).state is AddonState.PROVISIONED

    await debtor.until_day(30)
    assert (await debtor.addon()).state is AddonState.DEPROVISIONING
    assert (await debtor.world.read(debtor.free.id)).state is AddonState.PROVISIONED
    assert await debtor.state() == "uncollectible"
    debtor.world.provider.will(Reply(Answer.DONE, 204), *[Reply(Answer.DONE, 200)] * 3)
    await debtor.world.run()
    assert (await debtor.addon()).state is AddonState.DEPROVISIONED

    kinds = Counter(kind for kind, _ in await debtor.notices())
    assert kinds == Counter({
        "invoice.issued": 1, "payment.failed": 4, "invoice.past_due": 1, "account.suspends": 1, "account.suspended": 1, "account.deletes": 3,
    })  # fmt: skip
    account = await debtor.account()
    assert account.delinquent_at is not None
    await debtor.until_day(60)
    assert Counter(kind for kind, _ in await debtor.notices()) == kinds
    await debtor.pay()
    assert await debtor.state() == "paid"
    account = await debtor.account()
    assert (account.delinquent_at, account.suspended_at, account.deletes_at) == (None, None, None)


@pytest.mark.parametrize("day", [1, 10, 15, 24, 28, 29.95])
async def test_payment_at_any_time_ends_it_at_once_and_for_good(debtor: Debtor, day: float) -> None:
    await debtor.round()
    await debtor.until_day(day)
    await debtor.pay()

    account = await debtor.account()
    assert account == replace(account, delinquent_at=None, suspended_at=None, suspends_at=None, deletes_at=None)
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]
    assert (await debtor.addon()).suspended_at is None
    before = len(await debtor.notices())
    assert len(await debtor.notices("account.resumed")) == (1 if day >= 14 else 0)
    await debtor.until_day(45)
    assert len(await debtor.notices()) == before
    assert (await debtor.addon()).state is AddonState.PROVISIONED


async def test_a_worker_that_was_away_for_a_month_skips_no_notice_and_deletes_nothing_early(debtor: Debtor) -> None:
    debtor.ctx.clock.advance(days=40)
    back = debtor.ctx.clock.now()
    await debtor.round()
    assert await debtor.state() == "past_due"
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]
    await debtor.until_day(40 + 29)

    assert (await debtor.addon()).state is AddonState.PROVISIONED
    told = await debtor.notices("account.deletes")
    assert len(told) == 3
    deletes = datetime.fromisoformat(told[-1].facts["deletes_at"])
    assert deletes >= back + timedelta(days=30)
    assert {facts["deletes_at"] for _, facts in told} == {rfc3339(deletes)}
    debtor.ctx.clock.advance(seconds=(deletes - debtor.ctx.clock.now()).total_seconds() - 60)
    await debtor.round()
    assert (await debtor.addon()).state is AddonState.PROVISIONED
    debtor.ctx.clock.advance(minutes=2)
    await debtor.round()
    assert (await debtor.addon()).state is AddonState.DEPROVISIONING


async def test_a_worker_that_stops_before_the_last_notice_gives_it_and_waits_for_the_window(debtor: Debtor) -> None:
    await debtor.round()
    await debtor.until_day(26)
    debtor.ctx.clock.advance(days=20)
    await debtor.round()
    told = await debtor.notices("account.deletes")
    assert len(told) == 3
    assert datetime.fromisoformat(told[-1].facts["deletes_at"]) >= debtor.ctx.clock.now() + timedelta(days=3)
    assert (await debtor.addon()).state is AddonState.PROVISIONED
    assert (await debtor.account()).deletes_at == datetime.fromisoformat(told[-1].facts["deletes_at"])


async def test_money_that_is_on_its_way_puts_everything_off(debtor: Debtor) -> None:
    await debtor.round()
    await debtor.until_day(6)
    debtor.answer = Pending("in_transit")
    await debtor.until_day(20)
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]
    account = await debtor.account()
    assert account.suspends_at > debtor.ctx.clock.now()
    assert account.deletes_at - account.suspends_at == timedelta(days=16)

    debtor.answer = Succeeded("arrived")
    await debtor.round()
    assert await debtor.state() == "paid"
    assert (await debtor.account()).delinquent_at is None


async def test_what_is_disputed_is_not_collected_and_nobody_is_suspended_for_it(debtor: Debtor, ctx: Context) -> None:
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    await debtor.round()
    await debtor.until_day(14)
    assert await debtor.env() == ["FREE_URL"]

    await dispute(ctx, operator, debtor.number, "They say that it never worked.", line=1)
    await follow_accounts(ctx)
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]
    assert (await debtor.account()).delinquent_at is None
    await debtor.until_day(40)
    assert (await debtor.addon()).suspended_at is None

    await end_dispute(ctx, operator, debtor.number)
    account = await debtor.account()
    assert account.suspended_at is not None
    assert account.deletes_at is not None
    assert account.deletes_at > debtor.ctx.clock.now() + timedelta(days=15)
    await debtor.round()
    assert await debtor.env() == ["FREE_URL"]
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(Dunning.state))).scalar_one() == "open"


async def test_who_pays_by_transfer_has_until_the_last_try_and_others_have_a_card_to_add(debtor: Debtor) -> None:
    ctx = debtor.ctx
    async with ctx.database.transaction() as tx:
        await tx.execute(update(PaymentMethod).values(state="removed"))
    await debtor.round()
    assert await debtor.state() == "issued"
    async with ctx.database.transaction() as tx:
        await tx.execute(update(BillingAccount).values(verified_at=ctx.clock.now()))
    await debtor.until_day(6)
    assert await debtor.state() == "issued"
    await debtor.until_day(7)
    assert await debtor.state() == "past_due"
