"""Money for an account as a whole pays the oldest invoice first."""

from dataclasses import replace

import pytest

from broker.billing.credits import list_credits
from broker.billing.invoices import issue_finalized
from broker.billing.months import month_at
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.payments.receipts import Sent, get_receipt, receive
from tests.addons.conftest import World
from tests.billing.test_books import differences
from tests.billing.test_close import after, close_all, ledger, used
from tests.billing.test_collect import shares, states


async def test_the_oldest_invoice_is_paid_first_and_the_rest_is_a_credit(world: World, operator: Actor) -> None:
    ctx, alice = world.ctx, world.user
    await used(ctx, alice, 1000, 30)
    await used(ctx, alice, 2000, 31, after_days=30, service="mail")
    after(ctx, month_at(2026, 12))
    await close_all(ctx)
    await issue_finalized(ctx)
    first, second = "INV-2027-000001", "INV-2027-000002"
    part = await receive(ctx, operator, Sent("Alice@example.com", 1500, "SEPA 1"))
    assert (part.parts, part.credit_minor) == ([[first, 1000, 0], [second, 500, 1500]], 0)
    assert (await states(ctx), await shares(ctx)) == (["paid", "issued"], {"store": 700, "mail": 350})
    rest = await receive(ctx, operator, Sent("alice@example.com", 1600, "SEPA 2"))
    assert (rest.parts, rest.credit_minor) == ([[second, 1500, 0]], 100)
    assert await get_receipt(ctx, operator, rest.id) == rest
    (credit,) = await list_credits(ctx, alice)
    assert (credit.kind, credit.left_minor, credit.reason) == ("prepaid", 100, "received: SEPA 2")
    assert (await ledger(ctx))["cash"] == 3100
    assert await differences(ctx, operator) == []


async def test_only_operators_record_money_of_accounts_that_there_are(world: World, operator: Actor) -> None:
    sent = Sent("alice@example.com", 100, "SEPA 1")
    with pytest.raises(NotFound):
        await receive(world.ctx, world.user, sent)
    with pytest.raises(NotFound):
        await receive(world.ctx, operator, replace(sent, email="nobody@example.com"))
    with pytest.raises(InvalidParams):
        await receive(world.ctx, operator, replace(sent, minor=0))
    with pytest.raises(NotFound):
        await get_receipt(world.ctx, operator, new_id())
