"""What becomes of an account that does not pay: the thirty days, on the days that it was told, and every way out of them."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from broker.addons.create import CreateAddon, create_addon
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply
from broker.billing.collect import record_collected
from broker.billing.ledger import owed_on
from broker.billing.models import BillingAccount
from broker.kernel.clock import rfc3339
from broker.kernel.errors import Conflict, PaymentRequired
from broker.payments.by_hand import pay_invoice
from broker.payments.delinquency import look_again
from broker.payments.models import Payment, PaymentMethod
from tests.payments.debtor import Debtor
from tests.payments.debtor import debtor as debtor


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
        "account.deleted": 1,
    })  # fmt: skip
    account = await debtor.account()
    assert account.delinquent_at is not None
    await debtor.until_day(60)
    assert Counter(kind for kind, _ in await debtor.notices()) == kinds
    await debtor.pay()
    assert await debtor.state() == "paid"
    account = await debtor.account()
    assert (account.delinquent_at, account.suspended_at, account.deletes_at) == (None, None, None)
    assert await debtor.notices("account.resumed") == [], "they are gone"


@pytest.mark.parametrize("day", [1, 15, 29.95])
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


async def test_nobody_loses_anything_for_less_than_a_card_can_be_charged(debtor: Debtor) -> None:
    ctx = debtor.ctx
    async with ctx.database.transaction() as tx:
        owed = await owed_on(tx, debtor.invoice_id)
        await record_collected(tx, debtor.invoice_id, owed - 49, "transfer 1", ctx.clock.now())
    with pytest.raises(Conflict, match="less than cards"):
        await pay_invoice(ctx, debtor.world.user, debtor.number)
    for days in (15, 45):
        await debtor.until_day(days)
    assert (await debtor.account()).delinquent_at is None
    assert (await debtor.addon()).suspended_at is None


async def test_who_was_suspended_has_everything_again_when_only_a_rest_is_left_that_no_card_can_be_charged(
    debtor: Debtor,
) -> None:
    ctx = debtor.ctx
    await debtor.round()
    await debtor.until_day(15)
    assert await debtor.env() == ["FREE_URL"]
    async with ctx.database.transaction() as tx:
        owed, now = await owed_on(tx, debtor.invoice_id), ctx.clock.now()
        await record_collected(tx, debtor.invoice_id, owed - 49, "transfer 1", now)
        await look_again(tx, debtor.world.user.id, now)
    await debtor.round()
    assert (await debtor.account()).delinquent_at is None
    assert await debtor.env() == ["FREE_URL", "PAID_URL"]
    await debtor.until_day(60)
    assert (await debtor.addon()).state is AddonState.PROVISIONED
