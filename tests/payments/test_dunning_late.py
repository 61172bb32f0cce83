"""Dunning when something comes in between: a worker that was away, money that is on its way, a dispute."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from broker.addons.follow_account import follow_accounts
from broker.addons.models import AddonState
from broker.apps.release_history import list_releases
from broker.events.models import Event
from broker.kernel.clock import rfc3339
from broker.kernel.context import Context
from broker.payments.by_hand import pay_invoice
from broker.payments.disputes import dispute, end_dispute
from broker.payments.dunning import dun
from broker.payments.dunning_models import Dunning
from broker.payments.dunning_schedule import schedule
from broker.payments.ports import ActionNeeded, Pending, Succeeded
from broker.payments.views import get_payment
from tests.domain import new_user
from tests.payments.debtor import DAYS, Debtor, make_debtor
from tests.payments.debtor import debtor as debtor


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


async def test_a_payment_that_nobody_confirms_puts_nothing_off(debtor: Debtor) -> None:
    await debtor.round()
    await debtor.until_day(6)
    suspends_at = (await debtor.account()).suspends_at
    debtor.answer = ActionNeeded("Confirm it.", "pi_1", "https://gateway.test/confirm")
    begun = await pay_invoice(debtor.ctx, debtor.world.user, debtor.number)
    await debtor.until_day(15)
    assert (await get_payment(debtor.ctx, debtor.world.user, str(begun.id))).state == "action_needed"
    assert (await debtor.account()).suspended_at is not None
    assert (await debtor.account()).suspended_at - suspends_at < timedelta(minutes=15)
    assert await debtor.env() == ["FREE_URL"]


async def test_what_is_suspended_a_second_time_is_told_of_a_second_time(debtor: Debtor, ctx: Context) -> None:
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    await debtor.round()
    await debtor.until_day(14)
    for deed in (1, 2):
        debtor.ctx.clock.advance(minutes=1)
        await dispute(ctx, operator, debtor.number, "They say that it never worked.")
        debtor.ctx.clock.advance(minutes=1)
        await end_dispute(ctx, operator, debtor.number)
        assert len(await debtor.notices("account.suspended")) == deed + 1
        assert len(await debtor.notices("account.resumed")) == deed


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


async def test_several_workers_at_once_take_each_step_once(live_ctx: Context) -> None:
    debtor = await make_debtor(live_ctx)
    await debtor.round()
    for day in (3, 5, 7, 11, 14, 16, 23, 27, 30):
        left = debtor.issued_at + timedelta(days=day, seconds=1) - live_ctx.clock.now()
        live_ctx.clock.advance(seconds=left.total_seconds())
        await asyncio.gather(*(each for _ in range(3) for each in (dun(live_ctx, DAYS), follow_accounts(live_ctx))))
        await debtor.bank()
        await debtor.round()

    assert (await debtor.addon()).state is AddonState.DEPROVISIONING
    assert Counter(kind for kind, _ in await debtor.notices()) == Counter({
        "invoice.issued": 1, "payment.failed": 4, "invoice.past_due": 1, "account.suspends": 1, "account.suspended": 1,
        "account.deletes": 3,
        "account.deleted": 1,
    })  # fmt: skip
    async with live_ctx.database.transaction() as tx:
        steps = select(Event.data["step"].astext).where(Event.kind == "dunning.step_taken").order_by(Event.at, Event.id)
        taken = list((await tx.execute(steps)).scalars())
    assert sorted(taken) == sorted(step.name for step in schedule(debtor.issued_at, "UTC", DAYS))
    releases = await list_releases(live_ctx, debtor.world.user, "shop", newest_first=False, limit=9)
    assert [each.description for each in releases if "Suspend" in each.description] == ["Suspend PAID (unpaid)"]
