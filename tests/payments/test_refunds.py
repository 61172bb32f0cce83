"""Money that goes back: in the books when the gateway has done it, never twice, never more than came."""

import pytest

from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.invoices import get_document
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.payments.ports import Declined, Pending, RefundCall, RefundLook, Succeeded
from broker.payments.refunds import get_refund, refund_payment
from broker.payments.transfers import record_transfer
from tests.addons.conftest import World
from tests.billing.test_books import billed, differences
from tests.billing.test_close import ledger, used
from tests.billing.test_collect import shares
from tests.payments.conftest import paid
from tests.payments.fake import FakeGateway, kinds, later, only, work


async def cash(ctx: Context) -> int:
    return (await ledger(ctx)).get("cash", 0)


async def test_parts_go_back_until_nothing_is_left_and_each_once(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    with pytest.raises(NotFound):
        await refund_payment(ctx, world.user, payment, 100, "please")
    with pytest.raises(InvalidParams, match=r"10\.00 USD"):
        await refund_payment(ctx, operator, payment, 1001, "too much")
    gateway.lost = True
    part = await refund_payment(ctx, operator, payment, 400, "was down")
    await work(ctx, gateway)
    assert ((await get_refund(ctx, operator, part.id)).state, await cash(ctx)) == ("unsure", 1000)
    gateway.lost = False
    later(ctx, minutes=1)
    await work(ctx, gateway)
    await work(ctx, gateway)
    assert ((await get_refund(ctx, operator, part.id)).state, await cash(ctx)) == ("succeeded", 600)
    rest = await refund_payment(ctx, operator, payment, None, "and the rest")
    with pytest.raises(Conflict, match="sent back already"):
        await refund_payment(ctx, operator, payment, 1, "again")
    await work(ctx, gateway)
    assert (rest.minor, await cash(ctx), len(gateway.refunds)) == (600, 0, 2)
    assert (await kinds(ctx)).count("payment.refunded") == 2
    assert await differences(ctx, operator) == []


async def test_what_the_gateway_refuses_can_be_sent_back_another_time(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    first = await refund_payment(ctx, operator, payment, None, "sorry")
    gateway.refunds[first.id] = Declined("expired_card", "The card is no more.")
    await work(ctx, gateway)
    failed = await get_refund(ctx, operator, first.id)
    assert (failed.state, failed.failure_message, await cash(ctx)) == ("failed", "The card is no more.", 1000)
    await refund_payment(ctx, operator, payment, None, "sorry")
    await work(ctx, gateway)
    assert await cash(ctx) == 0


async def test_what_the_gateway_works_on_is_looked_at_and_not_asked_for_again(world: World, operator: Actor) -> None:
    """Also after it has forgotten the key: a second request would send the money twice."""
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    slow = await refund_payment(ctx, operator, payment, 400, "slow")
    gateway.refunds[slow.id] = Pending("re_1")
    await work(ctx, gateway)
    assert (await get_refund(ctx, operator, slow.id)).state == "unsure"
    gateway.refunds[slow.id] = Succeeded("re_1")
    later(ctx, minutes=1)
    await work(ctx, gateway)
    assert gateway.asked[-1] == RefundLook(slow.id, f"pi_{payment}", "re_1")
    lost = await refund_payment(ctx, operator, payment, 100, "lost")
    gateway.lost = True
    await work(ctx, gateway)
    gateway.lost = False
    later(ctx, hours=30)
    await work(ctx, gateway)
    assert gateway.asked[-1] == RefundLook(lost.id, f"pi_{payment}", None)
    assert await cash(ctx) == 500
    assert len([each for each in gateway.asked if isinstance(each, RefundCall)]) == 2


async def test_what_the_books_do_not_allow_is_not_asked_of_the_gateway(world: World, operator: Actor) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    payment = await paid(world, gateway)
    view = await only(ctx, world.user)
    await write_credit_note(ctx, operator, view.invoice, "all of it")
    with pytest.raises(Conflict, match="left of the lines"):
        await refund_payment(ctx, operator, payment, 500, "and money, too")
    await work(ctx, gateway)
    assert not [each for each in gateway.asked if isinstance(each, RefundCall)]
    assert (await only(ctx, world.user)).refunded_minor == 0


async def test_a_transfer_goes_back_by_the_operator_s_hand(world: World, operator: Actor) -> None:
    ctx = world.ctx
    number = await billed(world, 1000)
    payment = await record_transfer(ctx, operator, number, 1000, "bank 1")
    back = await refund_payment(ctx, operator, str(payment.id), 250, "by bank")
    assert (back.state, await cash(ctx)) == ("succeeded", 750)


async def test_lines_that_are_named_are_refunded_with_their_tax_and_to_nobody_else_s_cost(
    world: World, operator: Actor
) -> None:
    ctx, gateway = world.ctx, FakeGateway()
    await used(ctx, world.user, 600, 30, service="mail")
    payment = await paid(world, gateway)
    document = await get_document(ctx, world.user, (await only(ctx, world.user)).invoice)
    (line,) = [line.number for line in document.lines if line.service == "mail"]
    with pytest.raises(InvalidParams, match="lines that are named"):
        await refund_payment(ctx, operator, payment, 1, "both", lines=[TakenBack(line)])
    part = await refund_payment(ctx, operator, payment, None, "was down", lines=[TakenBack(line, 200)])
    with pytest.raises(Conflict, match="under way"):
        await refund_payment(ctx, operator, payment, 700, "any lines")
    await work(ctx, gateway)
    rest = await refund_payment(ctx, operator, payment, None, "again", lines=[TakenBack(line)])
    assert (part.minor, rest.minor) == (200, 400)
    await work(ctx, gateway)
    assert (await get_refund(ctx, operator, part.id)).state == "succeeded"
    assert await shares(ctx) == {"mail": 0, "store": 700}
