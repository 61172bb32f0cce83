"""What no gateway tells any more does not stay so for ever: the check of the books tells of it, and operators settle it."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from broker.billing.check import check_some
from broker.billing.credits import list_credits
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.payments.chargebacks import list_chargebacks
from broker.payments.check import check_payments
from broker.payments.models import Refund
from broker.payments.news import take_news
from broker.payments.ports import Aftermath, Chargeback, Declined, SentBack, Succeeded, Verdict
from broker.payments.refunds import get_refund, refund_payment
from broker.payments.settle_by_hand import settle_chargeback, settle_payment, settle_refund
from broker.payments.start import collect_issued
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed, damage
from tests.billing.test_close import invoices, ledger
from tests.domain import new_user
from tests.payments.fake import NO, FakeGateway, later, news, only, with_card, work


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(ctx: Context) -> Actor:
    return replace(await new_user(ctx, "olga@example.com"), is_operator=True)


async def wrong(ctx: Context, operator: Actor) -> list[str]:
    return list((await check_some(ctx, operator, further=[check_payments(ctx.clock.now())])).differences)


async def evidence(ctx: Context, kind: str) -> list[tuple[str, Any]]:
    told = select(Event.actor_email, Event.data).where(Event.kind == kind)
    async with ctx.database.transaction() as tx:
        return [(email, data["evidence"]) for email, data in await tx.execute(told)]


async def test_a_payment_of_a_gateway_that_is_gone_is_settled_by_hand(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway(lost=True)
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    payment = str((await only(ctx, world.user)).id)
    with pytest.raises(Conflict, match="still being asked"):
        await settle_payment(ctx, operator, payment, succeeded=True, evidence="statement of November")
    later(ctx, days=4)
    await work(ctx, FakeGateway(name="another"))
    (told,) = await wrong(ctx, operator)
    assert f"payments:settle {payment}" in told
    with pytest.raises(NotFound):
        await settle_payment(ctx, world.user, payment, succeeded=True, evidence="I say so")
    with pytest.raises(InvalidParams):
        await settle_payment(ctx, operator, payment, succeeded=True, evidence=" ")
    done = await settle_payment(ctx, operator, payment, succeeded=True, evidence="statement of November")
    assert (done.state, [each.state for each in await invoices(ctx)]) == ("succeeded", ["paid"])
    assert await evidence(ctx, "payment.settled_by_hand") == [("olga@example.com", "statement of November")]
    assert await wrong(ctx, operator) == []
    with pytest.raises(Conflict, match="ended already"):
        await settle_payment(ctx, operator, payment, succeeded=False, evidence="or not")


@pytest.mark.parametrize("came", [True, False])
async def test_what_was_settled_as_paid_and_the_gateway_calls_failed_is_told_and_decided_again(
    world: World, operator: Actor, came: bool
) -> None:
    ctx, gateway = world.ctx, FakeGateway(lost=True)
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    paid = await only(ctx, world.user)
    later(ctx, days=2)
    await settle_payment(ctx, operator, str(paid.id), succeeded=True, evidence="seen at the dashboard")
    gateway.lost = False
    gateway.becomes(paid.id, NO)
    await take_news(ctx, "fake", news("pi_late", subject=paid.id))
    await work(ctx, gateway)
    (told,) = await wrong(ctx, operator)
    assert NO.message in told
    assert f"payments:settle {paid.id}` and `--outcome succeeded` or `--outcome failed`" in told
    seen = await only(ctx, world.user)
    assert (seen.state, seen.failure_code, seen.failure_message) == ("succeeded", None, None)
    await settle_payment(ctx, operator, str(paid.id), succeeded=came, evidence="statement of November")
    assert await wrong(ctx, operator) == []
    assert [each.state for each in await invoices(ctx)] == ["paid" if came else "past_due"]
    assert (await ledger(ctx)).get("cash", 0) == (1000 if came else 0)
    with pytest.raises(Conflict, match="ended already"):
        await settle_payment(ctx, operator, str(paid.id), succeeded=False, evidence="or not")
    # The gateway has another word: what failed came after all, and what was taken back by hand is paid.
    gateway.becomes(paid.id, Succeeded("pi_late"))
    await take_news(ctx, "fake", news("pi_late", 2, subject=paid.id))
    await work(ctx, gateway)
    assert await wrong(ctx, operator) == []
    assert [each.state for each in await invoices(ctx)] == ["paid"]


async def test_a_payment_that_was_settled_by_hand_is_not_asked_for_without_end(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway(lost=True)
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    paid = await only(ctx, world.user)
    later(ctx, days=2)
    await settle_payment(ctx, operator, str(paid.id), succeeded=True, evidence="seen at the dashboard")
    gateway.asked.clear()
    for _ in range(12):
        later(ctx, minutes=6)
        await work(ctx, gateway)
    assert len(gateway.asked) <= 1
    gateway.lost = False
    later(ctx, days=1)
    await work(ctx, gateway)
    assert await wrong(ctx, operator) == []


async def test_what_a_bank_of_a_gateway_that_is_gone_decided_is_settled_by_hand(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    reference = f"pi_{(await only(ctx, world.user)).id}"
    gateway.aftermaths[reference] = Aftermath(0, chargebacks=[Chargeback("dp_1", 600, Verdict.OPEN, "general", 15)])
    await take_news(ctx, "fake", news("dp_1", taken_from=reference))
    await work(ctx, gateway)
    with pytest.raises(Conflict, match="day"):
        await settle_chargeback(ctx, operator, "dp_1", won=False, evidence="letter of the bank")
    later(ctx, days=121)
    (told,) = await wrong(ctx, operator)
    assert "chargebacks:settle dp_1" in told
    for actor, key in ((world.user, "dp_1"), (operator, "dp_2"), (operator, "")):
        with pytest.raises(NotFound):
            await settle_chargeback(ctx, actor, key, won=False, evidence="letter of the bank")
    done = await settle_chargeback(ctx, operator, "dp_1", won=False, evidence="letter of the bank")
    assert (done.state, [each.state for each in await invoices(ctx)]) == ("lost", ["past_due"])
    assert await evidence(ctx, "payment.chargeback_settled_by_hand") == [("olga@example.com", "letter of the bank")]
    with pytest.raises(Conflict, match="lost"):
        await settle_chargeback(ctx, operator, "dp_1", won=True, evidence="or not")
    assert (await ledger(ctx))["cash"] == 1000 - 600 - 15
    assert await wrong(ctx, operator) == []
    # The bank has another word.
    gateway.aftermaths[reference] = Aftermath(0, chargebacks=[Chargeback("dp_1", 600, Verdict.WON, "general", 15)])
    await take_news(ctx, "fake", news("dp_1", 2, taken_from=reference))
    await work(ctx, gateway)
    assert [each.state for each in await list_chargebacks(ctx, operator)] == ["won"]
    assert ([each.state for each in await invoices(ctx)], await wrong(ctx, operator)) == (["paid"], [])


async def test_a_refund_is_settled_by_hand_or_written_off(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    payment = str((await only(ctx, world.user)).id)
    lost, done = [await refund_payment(ctx, operator, payment, 100, "sorry") for _ in range(2)]
    other = FakeGateway(name="another")
    await work(ctx, other)
    later(ctx, days=4)
    await work(ctx, other)
    assert len(await wrong(ctx, operator)) == 2
    assert (await settle_refund(ctx, operator, str(lost.id), succeeded=False, evidence="asked")).state == "failed"
    assert (await settle_refund(ctx, operator, str(done.id), succeeded=True, evidence="asked")).state == "succeeded"
    assert ((await ledger(ctx))["cash"], (await only(ctx, world.user)).refunded_minor) == (900, 100)
    assert await wrong(ctx, operator) == []
    unbooked = await refund_payment(ctx, operator, payment, 100, "sorry")
    async with ctx.database.transaction() as tx:  # as it is when a credit note came in between
        gone = {"state": "succeeded", "finished_at": ctx.clock.now(), "failure_code": "not_booked", "next_at": None}
        await tx.execute(update(Refund).where(Refund.id == unbooked.id).values(gone))
    (told,) = await wrong(ctx, operator)
    assert f"refunds:settle {unbooked.id}" in told
    await settle_refund(ctx, operator, str(unbooked.id), succeeded=True, evidence="goodwill")
    assert (await get_refund(ctx, operator, unbooked.id)).failure_message == "goodwill"
    assert ((await ledger(ctx))["cash"], (await ledger(ctx))["losses"]) == (800, 100)
    assert await wrong(ctx, operator) == []
    # The gateway is there again, and tells otherwise: what failed has gone, and what was written off could not be paid out.
    gone = SentBack("re_1", 100, Succeeded("re_1"), lost.id)
    came = SentBack("re_2", 100, Declined("expired_card", "The card is no more."), unbooked.id)
    gateway.aftermaths[f"pi_{payment}"] = Aftermath(refunds=[gone, came])
    for number in range(2):
        await take_news(ctx, "fake", news("re_1", number, taken_from=f"pi_{payment}"))
        await work(ctx, gateway)
    books = await ledger(ctx)
    assert (books["cash"], "losses" in books) == (800, False)
    assert (await get_refund(ctx, operator, lost.id)).state == "succeeded"
    assert ((await only(ctx, world.user)).refunded_minor, await list_credits(ctx, world.user)) == (200, [])
    assert await wrong(ctx, operator) == []


async def test_payments_of_other_amounts_than_the_books_have_are_told(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    await refund_payment(ctx, operator, str((await only(ctx, world.user)).id), 300, "sorry")
    await work(ctx, gateway)
    assert await wrong(ctx, operator) == []
    await damage(ctx, "update payments set minor = 1100, refunded_minor = 400")
    amounts, refunds = await wrong(ctx, operator)
    assert "is of 11.00 USD, of which 10.00 USD paid its invoice, and the ledger says 10.00 USD and 10.00" in amounts
    assert "4.00 USD of it is said to have gone back, and its refunds come to 3.00 USD" in refunds


async def test_operators_see_what_banks_took_and_users_do_not(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    reference = f"pi_{(await only(ctx, world.user)).id}"
    for count, verdict in enumerate((Verdict.OPEN, Verdict.LOST)):
        gateway.aftermaths[reference] = Aftermath(chargebacks=[Chargeback("dp_1", 600, verdict, "general")])
        await take_news(ctx, "fake", news("dp_1", count, taken_from=reference))
        await work(ctx, gateway)
        (seen,) = await list_chargebacks(ctx, operator)
        assert (seen.invoice, seen.reference, seen.minor, seen.state) == (number, "dp_1", 600, verdict)
    with pytest.raises(NotFound):
        await list_chargebacks(ctx, world.user)
