"""Invoices that are paid: automatically, by hand, in parts; refusals, answers that are lost, webhooks in any order."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from broker.accounts.models import User
from broker.billing.collect import record_collected
from broker.billing.credits import list_credits
from broker.billing.invoices import issue_finalized
from broker.kernel.context import Actor, Context, Rules
from broker.kernel.errors import Conflict, InvalidParams, NotFound, Unverified
from broker.payments.by_hand import pay_invoice
from broker.payments.disputes import dispute, end_dispute
from broker.payments.methods import list_methods, make_default, remove_method
from broker.payments.models import Payment
from broker.payments.news import take_news
from broker.payments.ports import ChargeCall, Declined, LookCall, Succeeded
from broker.payments.start import collect_account, collect_issued
from broker.payments.transfers import record_transfer
from broker.payments.views import get_payment, list_payments
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed, differences
from tests.billing.test_close import after, close_all, invoices, ledger, used
from tests.domain import new_user
from tests.payments.fake import (
    NO,
    FakeGateway,
    kinds,
    later,
    news,
    only,
    states_of,
    taking_its_time,
    to_be_confirmed,
    with_card,
    work,
)


@pytest.fixture
async def world(ctx: Context) -> World:
    ctx = replace(ctx, rules=Rules(paid_plans_need_verification=True, public_url="https://broker.test"))
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def state(world: World) -> str:
    return str(next(each.state for each in await invoices(world.ctx)))


async def test_an_issued_invoice_is_collected_by_itself_once(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    number = await billed(world, 1000)
    assert await collect_issued(ctx) == 0, "there is nothing to pay with yet"
    await with_card(ctx, gateway, world.user)
    assert (await collect_issued(ctx), await collect_issued(ctx)) == (1, 0)
    await work(ctx, gateway)
    await work(ctx, gateway)
    paid = await only(ctx, world.user)
    (call,) = [each for each in gateway.asked if isinstance(each, ChargeCall)]
    assert (call.payment_id, call.customer, call.minor, call.invoice, call.return_url) == (
        paid.id, f"cus_{world.user.id}", 1000, number, None,
    )  # fmt: skip
    assert (paid.state, paid.attempt, paid.collected_minor, paid.last4) == ("succeeded", 1, 1000, "4242")
    assert (await state(world), (await ledger(ctx))["cash"]) == ("paid", 1000)
    assert (await kinds(ctx)).count("payment.succeeded") == 1
    assert (await get_payment(ctx, world.user, str(paid.id))).id == paid.id
    mallory = await new_user(ctx, "mallory@example.com")
    assert await list_payments(ctx, mallory) == []
    with pytest.raises(NotFound):
        await get_payment(ctx, mallory, str(paid.id))
    with pytest.raises(NotFound):
        await pay_invoice(ctx, mallory, number)
    assert await differences(ctx, operator) == []


async def test_a_refusal_is_kept_with_its_reason_and_the_next_attempt_is_another_one(
    world: World, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    gateway.answers = lambda _: NO
    await collect_issued(ctx)
    await work(ctx, gateway)
    failed = await only(ctx, world.user)
    assert (failed.state, failed.failure_code, failed.failure_message) == (
        "failed", "card_declined", "Your card was declined.",
    )  # fmt: skip
    assert await state(world) == "issued", "what follows of it is decided by dunning"
    gateway.answers = FakeGateway().answers
    assert (await pay_invoice(ctx, world.user, number)).attempt == 2
    with pytest.raises(Conflict, match="under way"):
        await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    assert await states_of(ctx, world.user) == [(1, "failed"), (2, "succeeded")]
    with pytest.raises(Conflict, match="nothing to be paid"):
        await pay_invoice(ctx, world.user, number)


@pytest.mark.parametrize("hours", [0.1, 30])
async def test_an_answer_that_was_lost_is_asked_for_again_and_charged_once(
    world: World, gateway: FakeGateway, hours: float
) -> None:
    """Within a day under the same key; afterwards the gateway has forgotten the key, and is looked at instead."""
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    gateway.lost = True
    await collect_issued(ctx)
    await work(ctx, gateway)
    assert (await only(ctx, world.user)).state == "unsure"
    later(ctx, hours=hours)
    gateway.lost, gateway.forgets_keys = False, hours > 24
    await work(ctx, gateway)
    paid = await only(ctx, world.user)
    assert (paid.state, gateway.taken) == ("succeeded", {paid.id: 1000})
    assert isinstance(gateway.asked[-1], LookCall if hours > 24 else ChargeCall)


async def test_what_never_reached_the_gateway_fails_after_a_day(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    gateway.lost = True
    await collect_issued(ctx)
    await work(ctx, gateway)
    gateway.charges.clear()
    gateway.taken.clear()
    gateway.lost = False
    later(ctx, hours=30)
    await work(ctx, gateway)
    failed = await only(ctx, world.user)
    assert (failed.state, failed.failure_code, gateway.taken) == ("failed", "not_reached", {})


async def test_webhooks_may_come_twice_and_in_any_order(world: World, operator: Actor, gateway: FakeGateway) -> None:
    """Each says that there is news. The attempt that failed is told about after the one that succeeded, and back again."""
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    gateway.answers = taking_its_time
    await collect_issued(ctx)
    await work(ctx, gateway)
    first = await only(ctx, world.user)
    assert first.state == "waiting"
    reference = f"pi_{first.id}"
    gateway.becomes(first.id, Declined("card_declined", "No.", reference))
    assert [await take_news(ctx, "fake", news(reference)) for _ in range(3)] == [True, False, False]
    await work(ctx, gateway)
    gateway.answers = FakeGateway().answers
    second = await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    for event in range(2, 6):  # late news of both
        await take_news(ctx, "fake", news(reference if event % 2 else f"pi_{second.id}", event))
        await work(ctx, gateway)
    assert await states_of(ctx, world.user) == [(1, "failed"), (2, "succeeded")]
    assert (await state(world), (await ledger(ctx))["cash"]) == ("paid", 1000)
    assert await take_news(ctx, "fake", news("pi_of_somebody_else", 9)) is True
    assert (await kinds(ctx)).count("payment.failed") == 1
    assert await differences(ctx, operator) == []


async def test_money_of_an_attempt_that_had_failed_is_taken_in_and_too_much_becomes_a_credit(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    gateway.answers = lambda _: NO
    await collect_issued(ctx)
    await work(ctx, gateway)
    first = await only(ctx, world.user)
    gateway.answers = FakeGateway().answers
    await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    gateway.becomes(first.id, Succeeded(f"pi_{first.id}"), 1000)
    await take_news(ctx, "fake", news("unknown here", subject=first.id))
    await work(ctx, gateway)
    assert await states_of(ctx, world.user) == [(1, "succeeded"), (2, "succeeded")]
    assert [credit.left_minor for credit in await list_credits(ctx, world.user)] == [1000]
    assert (await ledger(ctx))["cash"] == 2000
    assert await differences(ctx, operator) == []


async def test_what_must_be_confirmed_waits_for_its_owner_and_not_for_ever(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    gateway.answers = to_be_confirmed(None)
    await collect_issued(ctx)
    await work(ctx, gateway)
    absent = await only(ctx, world.user)
    assert (absent.state, absent.finished_at is not None) == ("action_needed", True)
    gateway.answers = to_be_confirmed("https://gateway.test/confirm")
    there = await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    shown = await get_payment(ctx, world.user, str(there.id))
    assert (shown.state, shown.action_url) == ("action_needed", "https://gateway.test/confirm")
    later(ctx, minutes=61)
    await work(ctx, gateway)
    shown = await get_payment(ctx, world.user, str(there.id))
    assert (shown.state, shown.failure_code, shown.action_url) == ("failed", "not_confirmed", None)


@pytest.mark.parametrize("team", [None, "acme"])
async def test_the_gateway_s_page_leads_back_to_the_page_of_whoever_pays(
    world: World, gateway: FakeGateway, team: str | None
) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == world.user.id).values(team_name=team))
    await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    (call,) = [each for each in gateway.asked if isinstance(each, ChargeCall)]
    page = f"/teams/{world.user.id}/payment" if team else "/account/payment"
    assert call.return_url == f"https://broker.test{page}"


async def test_what_the_gateway_knows_no_more_the_second_time_does_not_count_as_failed(
    world: World, gateway: FakeGateway
) -> None:
    """As when our key became another account's: the first answer was lost, and may have been that the money came."""
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    gateway.lost = True
    await work(ctx, gateway)
    gateway.lost, gateway.forgets_keys = False, True
    gateway.answers = lambda _: Declined("resource_missing", "No such customer.")
    later(ctx, minutes=2)
    await work(ctx, gateway)
    assert (await only(ctx, world.user)).state == "unsure"


async def test_what_another_gateway_may_have_taken_is_not_asked_for_again(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    gateway.lost = True
    await work(ctx, gateway)
    later(ctx, minutes=2)
    await work(ctx, FakeGateway(name="another"))
    assert (await only(ctx, world.user)).state == "unsure"
    gateway.lost = False
    later(ctx, hours=2)
    await work(ctx, gateway)
    assert (await only(ctx, world.user)).state == "succeeded", "its own gateway is back"
    assert list(gateway.taken.values()) == [1000]


async def test_what_no_gateway_was_asked_for_fails_with_its_gateway(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, FakeGateway(name="another"))
    found = await only(ctx, world.user)
    assert (found.state, found.failure_code) == ("failed", "gateway_changed")


async def test_a_worker_that_comes_too_late_changes_nothing(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)

    def slow(call: ChargeCall) -> Succeeded:
        later(ctx, minutes=3)  # its lease is over, and another worker has the payment
        return Succeeded(f"pi_{call.payment_id}")

    gateway.answers = slow
    ours = await only(ctx, world.user)
    await work(ctx, gateway)
    await work(ctx, gateway)
    assert (await only(ctx, world.user)).state == "succeeded"
    assert gateway.taken == {ours.id: 1000}


async def test_parts_can_be_paid_past_the_gateway_and_the_rest_is_collected(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    number = await billed(world, 1000)
    with pytest.raises(NotFound):
        await record_transfer(ctx, world.user, number, 300, "their bank")
    with pytest.raises(InvalidParams, match=r"10\.00 USD"):
        await record_transfer(ctx, operator, number, 1001, "their bank")
    part = await record_transfer(ctx, operator, number, 300, "their bank")
    assert (part.gateway, part.state, await state(world)) == ("transfer", "succeeded", "issued")
    await with_card(ctx, gateway, world.user)
    async with ctx.database.transaction() as tx:
        assert await collect_account(tx, ctx, world.user.id) == 1
    await work(ctx, gateway)
    assert (list(gateway.taken.values()), await state(world)) == ([700], "paid")
    assert await differences(ctx, operator) == []


async def test_a_payment_that_waited_takes_no_more_than_is_owed_by_then(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    """As after a worker was away: what came meanwhile past the gateway is not asked for a second time."""
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    await collect_issued(ctx)
    await came_past_the_gateway(ctx, 300, "first part")
    await work(ctx, gateway)
    found = await only(ctx, world.user)
    assert (found.state, found.minor, list(gateway.taken.values())) == ("succeeded", 700, [700])
    assert (await state(world), await list_credits(ctx, world.user)) == ("paid", [])
    assert await differences(ctx, operator) == []
    with pytest.raises(Conflict, match="nothing to be paid"):
        await pay_invoice(ctx, world.user, number)


async def test_a_payment_that_waited_until_nothing_was_owed_ends_without_a_charge(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await came_past_the_gateway(ctx, 1000, "all of it")
    await work(ctx, gateway)
    found = await only(ctx, world.user)
    assert (found.state, found.failure_code, gateway.taken) == ("failed", "nothing_owed", {})
    assert (await state(world), await kinds(ctx)) == ("paid", ["payment_method.added"]), "nothing has failed"
    assert await list_credits(ctx, world.user) == []
    assert await differences(ctx, operator) == []


async def test_what_was_disputed_before_it_was_asked_for_is_collected_when_that_is_decided(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx = world.ctx
    await with_card(ctx, gateway, world.user)
    number = await billed(world, 1000)
    await collect_issued(ctx)
    await dispute(ctx, operator, number, "They say that it never worked.")
    await work(ctx, gateway)
    assert (await collect_issued(ctx), gateway.taken) == (0, {})
    await end_dispute(ctx, operator, number)
    assert await collect_issued(ctx) == 1
    await dispute(ctx, operator, number, "They say so again.")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(Payment).where(Payment.attempt == 2).values(by_hand=True))
    await work(ctx, gateway)
    assert await states_of(ctx, world.user) == [(1, "failed"), (2, "succeeded")], "who wants to pay may"
    assert await differences(ctx, operator) == []


async def test_what_is_disputed_keeps_no_other_invoice_from_being_collected(
    world: World, operator: Actor, gateway: FakeGateway
) -> None:
    ctx, bob = world.ctx, await new_user(world.ctx, "bob@example.com")
    for each in (world.user, bob):
        await with_card(ctx, gateway, each)
        await used(ctx, each, 1000, 30)
    after(ctx)
    await close_all(ctx)
    await issue_finalized(ctx)
    first, second = sorted(await invoices(ctx), key=lambda bill: bill.id)
    await dispute(ctx, operator, first.number, "They say that it never worked.")
    assert await collect_issued(ctx, most=1) == 1
    (payment,) = await list_payments(ctx, operator, everybody=True)
    assert payment.invoice_id == second.id


async def came_past_the_gateway(ctx: Context, minor: int, key: str) -> None:
    (bill,) = await invoices(ctx)
    async with ctx.database.transaction() as tx:
        await record_collected(tx, bill.id, minor, key, ctx.clock.now())


async def test_without_a_payment_method_one_is_told_where_to_add_it(world: World) -> None:
    number = await billed(world, 1000)
    with pytest.raises(Unverified, match="payment-methods:add"):
        await pay_invoice(world.ctx, world.user, number)


async def test_the_last_payment_method_stays_while_something_needs_it(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    first = await with_card(ctx, gateway, world.user)
    second = await with_card(ctx, gateway, world.user, "5555")
    methods = await list_methods(ctx, world.user)
    assert [(each.id, each.is_default) for each in methods] == [(first, False), (second, True)]
    assert (await make_default(ctx, world.user, str(first))).is_default
    await remove_method(ctx, world.user, str(first))
    (left,) = await list_methods(ctx, world.user)
    assert (left.id, left.is_default) == (second, True), "another one takes its place"
    mallory = await new_user(ctx, "mallory@example.com")
    for deed in (remove_method, make_default):
        with pytest.raises(NotFound):
            await deed(ctx, mallory, str(second))
    await billed(world, 1000)
    with pytest.raises(Conflict, match="add another before"):
        await remove_method(ctx, world.user, str(second))
