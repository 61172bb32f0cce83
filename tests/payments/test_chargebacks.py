"""Money that goes back past the broker: banks that take it, and refunds at the gateway's dashboard. Each once, in any order."""

from dataclasses import replace
from uuid import UUID, uuid5

import pytest

from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.credits import list_credits
from broker.billing.invoices import get_document
from broker.kernel.context import Actor
from broker.kernel.errors import Conflict
from broker.payments.by_hand import pay_invoice
from broker.payments.chargebacks import list_chargebacks
from broker.payments.dunning import dun
from broker.payments.dunning_schedule import Days
from broker.payments.look_back import look_back, look_daily
from broker.payments.news import take_news
from broker.payments.ports import Aftermath, Chargeback, Declined, Pending, SentBack, Succeeded, Unknown, Verdict
from broker.payments.refunds import get_refund, refund_payment
from broker.payments.standing import standing_of
from broker.payments.transfers import record_transfer
from broker.payments.views import list_payments
from tests.addons.conftest import World
from tests.billing.test_books import differences
from tests.billing.test_close import invoices, ledger
from tests.payments.conftest import paid
from tests.payments.fake import FakeGateway, kinds, later, news, only, taking_its_time, work


async def told(world: World, gateway: FakeGateway, reference: str, aftermath: Aftermath) -> None:
    """The gateway tells it twice, and the worker looks."""
    gateway.aftermaths[reference] = aftermath
    for _ in range(2):
        number = len(gateway.asked)
        await take_news(world.ctx, "fake", news("dp_1", number, taken_from=reference))
        await work(world.ctx, gateway)


def taken(verdict: Verdict, fee: int = 1500) -> Aftermath:
    return Aftermath(chargebacks=[Chargeback("dp_1", 1000, verdict, "fraudulent", fee)])


async def test_what_a_bank_takes_back_is_withheld_until_it_has_decided(world: World, operator: Actor) -> None:
    """Partners' shares go and come with it. Nothing of it can be sent back or credited meanwhile."""
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    before = await ledger(ctx)
    assert before["partners"] == -700
    await told(world, gateway, f"pi_{payment}", taken(Verdict.OPEN))
    withheld = await ledger(ctx)
    assert {name: withheld[name] for name in ("cash", "withheld", "fees")} == {
        "cash": -1500, "withheld": 1000, "fees": 1500
    }  # fmt: skip
    assert "partners" not in withheld
    assert [each.state for each in await invoices(ctx)] == ["paid"]
    assert await differences(ctx, operator) == []
    with pytest.raises(Conflict, match="bank took it back"):
        await refund_payment(ctx, operator, payment, None, "sorry")
    with pytest.raises(Conflict, match="until it is decided"):
        await write_credit_note(ctx, operator, (await only(ctx, world.user)).invoice, "sorry")
    gateway.aftermaths[f"pi_{payment}"] = taken(Verdict.WON, fee=0)
    later(ctx, days=1)  # no webhook tells: whoever has not decided is asked every day
    await work(ctx, gateway)
    assert await ledger(ctx) == before
    assert (await kinds(ctx))[-2:] == ["payment.charged_back", "payment.chargeback_won"]
    assert await differences(ctx, operator) == []
    await work(ctx, gateway)
    assert len([each for each in gateway.asked if each == f"pi_{payment}"]) == 3


async def test_what_a_bank_keeps_is_owed_again_and_no_card_is_tried(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    await told(world, gateway, f"pi_{payment}", taken(Verdict.LOST))
    await dun(ctx, Days())
    assert (await kinds(ctx))[-2:] == ["payment.charged_back", "payment.chargeback_lost"]
    assert [each.state for each in await invoices(ctx)] == ["past_due"]
    books = await ledger(ctx)
    assert (books["receivable"], books["cash"], books["fees"]) == (1000, -1500, 1500)
    assert {"withheld", "partners"}.isdisjoint(books)
    async with ctx.database.transaction() as tx:
        standing = await standing_of(tx, world.user.id)
    assert standing.delinquent_at == ctx.clock.now()
    assert standing.suspends_at is not None
    assert 13 <= (standing.suspends_at - ctx.clock.now()).days <= 14
    later(ctx, days=8)
    await dun(ctx, Days())
    await work(ctx, gateway)
    number = (await only(ctx, world.user)).invoice  # no other attempt was made
    await pay_invoice(ctx, world.user, number)
    await work(ctx, gateway)
    assert (await get_document(ctx, world.user, number)).invoice.state == "paid"
    async with ctx.database.transaction() as tx:
        assert (await standing_of(tx, world.user.id)).delinquent_at is None
    assert (await ledger(ctx))["partners"] == -700
    assert await differences(ctx, operator) == []


async def paid_twice(world: World, gateway: FakeGateway, operator: Actor) -> str:
    """The id of a payment that came when the invoice had been paid by transfer: all of it is a credit."""
    gateway.answers = taking_its_time
    payment = await paid(world, gateway)
    await record_transfer(world.ctx, operator, (await only(world.ctx, world.user)).invoice, 1000, "bank 1")
    gateway.becomes(UUID(payment), Succeeded(f"pi_{payment}"), 1000)
    later(world.ctx, days=1)
    await work(world.ctx, gateway)
    assert [(each.minor, each.left_minor) for each in await list_credits(world.ctx, world.user)] == [(1000, 1000)]
    return payment


async def test_what_a_bank_takes_of_a_second_payment_is_not_owed_again(world: World, operator: Actor) -> None:
    """The invoice had taken nothing of it, and partners neither. It is told once, and listed as it was decided."""
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid_twice(world, gateway, operator)
    for verdict in (Verdict.OPEN, Verdict.LOST):
        await told(world, gateway, f"pi_{payment}", taken(verdict))
        books = await ledger(ctx)
        assert (books["losses"], books["cash"], books["partners"]) == (1000, -500, -700)
        assert [each.state for each in await list_chargebacks(ctx, operator)] == [verdict]
    assert {"withheld", "receivable"}.isdisjoint(await ledger(ctx))
    assert [each.state for each in await invoices(ctx)] == ["paid"]
    assert (await kinds(ctx))[-2:] == ["payment.charged_back", "payment.chargeback_lost"]
    assert await differences(ctx, operator) == []


async def test_a_second_payment_that_goes_back_at_the_dashboard_leaves_the_invoice_paid(
    world: World, operator: Actor
) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid_twice(world, gateway, operator)
    sent = Aftermath(refunds=[SentBack("re_1", 1000, Succeeded("re_1"))])
    await told(world, gateway, f"pi_{payment}", sent)
    (number,) = {each.invoice for each in await list_payments(ctx, world.user)}
    assert (await get_document(ctx, world.user, number)).credit_notes == []
    assert (await get_refund(ctx, operator, uuid5(UUID(payment), "re_1"))).failure_message
    assert (await ledger(ctx))["partners"] == -700


async def test_what_a_credit_note_had_given_is_lost_and_not_owed_again(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    number = (await only(ctx, world.user)).invoice
    await write_credit_note(ctx, operator, number, "was down", [TakenBack(1, 400)])
    await told(world, gateway, f"pi_{payment}", taken(Verdict.OPEN))
    books = await ledger(ctx)
    assert (books["withheld"], books["losses"]) == (600, 400)
    assert await differences(ctx, operator) == []
    await told(world, gateway, f"pi_{payment}", taken(Verdict.LOST))
    assert (await ledger(ctx))["receivable"] == 600
    assert await differences(ctx, operator) == []


async def test_what_was_lost_and_comes_back_after_all_pays_the_invoice(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    for verdict in (Verdict.LOST, Verdict.WON):
        await told(world, gateway, f"pi_{payment}", taken(verdict))
        await dun(ctx, Days())
    assert [each.state for each in await invoices(ctx)] == ["paid"]
    books = await ledger(ctx)
    assert (books["cash"], books["partners"]) == (-500, -700)
    assert {"withheld", "receivable"}.isdisjoint(books)
    async with ctx.database.transaction() as tx:
        assert (await standing_of(tx, world.user.id)).delinquent_at is None
    assert [(each.state, each.minor) for each in await list_chargebacks(ctx, operator)] == [(Verdict.WON, 1000)]
    assert await differences(ctx, operator) == []


async def test_what_was_won_and_is_taken_after_all_is_owed_again(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    for verdict in (Verdict.WON, Verdict.LOST):
        await told(world, gateway, f"pi_{payment}", taken(verdict))
    assert [each.state for each in await invoices(ctx)] == ["past_due"]
    books = await ledger(ctx)
    assert (books["cash"], books["receivable"]) == (-1500, 1000)
    assert {"withheld", "partners"}.isdisjoint(books)
    assert [(each.state, each.minor) for each in await list_chargebacks(ctx, operator)] == [(Verdict.LOST, 1000)]
    assert await differences(ctx, operator) == []


async def test_an_invoice_of_which_a_bank_has_a_part_is_not_void(world: World, operator: Actor) -> None:
    """Whatever else of it is taken back: the bank may keep what it has."""
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    number, reference = (await only(ctx, world.user)).invoice, f"pi_{payment}"
    lost, open_ = [
        Chargeback(f"dp_{minor}", minor, verdict, "general")
        for minor, verdict in ((400, Verdict.LOST), (600, Verdict.OPEN))
    ]
    await told(world, gateway, reference, Aftermath(chargebacks=[lost, open_]))
    await write_credit_note(ctx, operator, number, "goodwill", [TakenBack(1, 400)])
    assert [each.state for each in await invoices(ctx)] == ["paid"]
    await told(world, gateway, reference, Aftermath(chargebacks=[lost, replace(open_, verdict=Verdict.LOST)]))
    assert [each.state for each in await invoices(ctx)] == ["past_due"]
    assert await differences(ctx, operator) == []


async def test_a_refund_at_the_dashboard_is_written_down_once(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    reference = f"pi_{payment}"
    await told(world, gateway, reference, Aftermath(refunds=[SentBack("re_1", 300, Pending("re_1"))]))
    assert ((await ledger(ctx))["cash"], (await only(ctx, world.user)).refunded_minor) == (1000, 300)
    done = SentBack("re_1", 300, Succeeded("re_1"), reason="requested by customer")
    await told(world, gateway, reference, Aftermath(refunds=[done]))
    document = await get_document(ctx, world.user, (await only(ctx, world.user)).invoice)
    assert [note.net_minor for note in document.credit_notes] == [300]
    assert ((await ledger(ctx))["cash"], (await ledger(ctx))["partners"]) == (700, -490)
    assert (await kinds(ctx)).count("payment.refunded") == 1
    ours = await refund_payment(ctx, operator, payment, 200, "ours")
    await work(ctx, gateway)
    twice = SentBack(f"re_{ours.id}", 200, Succeeded(f"re_{ours.id}"), ours.id)
    await told(world, gateway, reference, Aftermath(refunds=[done, twice]))
    assert ((await ledger(ctx))["cash"], (await only(ctx, world.user)).refunded_minor) == (500, 500)
    failed = replace(done, answer=Declined("expired_card", "The card is no more."))
    await told(world, gateway, reference, Aftermath(refunds=[failed, twice]))
    assert [each.minor for each in await list_credits(ctx, world.user)] == [300]
    assert (await ledger(ctx))["cash"] == 800
    assert await differences(ctx, operator) == []


async def test_the_fee_of_the_gateway_is_in_the_books_once(world: World, operator: Actor) -> None:
    """Also where the gateway says it later than that the money came."""
    ctx, gateway = world.ctx, FakeGateway(answers=lambda call: Succeeded(f"pi_{call.payment_id}", None))
    payment = await paid(world, gateway)
    gateway.aftermaths[f"pi_{payment}"] = Aftermath(fee_minor=59)
    later(ctx, minutes=5)
    await work(ctx, gateway)
    await told(world, gateway, f"pi_{payment}", Aftermath(fee_minor=59))
    books = await ledger(ctx)
    assert (books["cash"], books["fees"], books["partners"]) == (941, 59, -700)
    assert await differences(ctx, operator) == []


async def test_what_another_gateway_knows_is_not_asked_for_all_the_time(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    await told(world, gateway, f"pi_{payment}", taken(Verdict.OPEN))
    other = FakeGateway(name="another")
    for hours, looks in ((24, 1), (23, 0), (1, 1)):
        later(ctx, hours=hours)
        assert isinstance(await look_back(ctx, other, UUID(payment)), Unknown) == bool(looks)
    assert other.asked == []
    later(ctx, days=1)
    gateway.aftermaths[f"pi_{payment}"] = taken(Verdict.WON)  # set up again
    await work(ctx, gateway)
    assert "withheld" not in await ledger(ctx)


async def test_what_no_webhook_tells_is_found_within_a_day(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    gateway.aftermaths[f"pi_{payment}"] = taken(Verdict.OPEN)
    assert [await look_daily(ctx, gateway) for _ in range(2)] == [1, 0]
    await work(ctx, gateway)
    assert (await ledger(ctx))["withheld"] == 1000
    later(ctx, days=1)
    gateway.lost = True
    assert await look_daily(ctx, gateway) == 0
