"""Money that is paid back: per line, with its tax and the partner's share, and never more than was paid."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from broker.billing.collect import record_refunded
from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.credits import NewCredit, grant_credit, list_credits
from broker.billing.invoices import CreditNoteView, get_document
from broker.billing.pricing import CreditKind
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed, differences
from tests.billing.test_close import invoices, ledger, used
from tests.billing.test_collect import collected, shares, states
from tests.domain import new_user


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(ctx: Context) -> Actor:
    return replace(await new_user(ctx, "olga@example.com"), is_operator=True)


async def refunded(world: World, minor: int, key: str = "refund 1", **nets: int) -> CreditNoteView:
    """So much of the only invoice, of all lines or those of these services by their net amounts."""
    (found,) = await invoices(world.ctx)
    document = await get_document(world.ctx, world.user, found.number)
    lines = {line.id: nets[line.service] for line in document.lines if line.service in nets}
    async with world.ctx.database.transaction() as tx:
        return await record_refunded(tx, found.id, lines or None, minor, key, world.ctx.clock.now())


async def taxed(ctx: Context, user: Actor, rate: str) -> None:
    agreed = (
        "insert into billing_accounts (id, tax, created_at, updated_at) values (:id, cast(:tax as jsonb), now(), now())"
    )
    async with ctx.database.transaction() as tx:
        await tx.execute(text(agreed), {"id": user.id, "tax": f'{{"rate": "{rate}"}}'})


async def test_a_refund_takes_tax_and_share_back_in_the_same_ratio_and_happens_once(
    world: World, operator: Actor
) -> None:
    ctx = world.ctx
    await taxed(ctx, world.user, "1/5")
    await billed(world, 1000)
    await collected(ctx, 1200)
    for _ in range(2):
        note = await refunded(world, 600)
        assert (note.number, note.net_minor, note.tax_minor) == ("CN-2026-000001", 500, 100)
    assert (await states(ctx), await shares(ctx)) == (["paid"], {"store": 350})
    assert await ledger(ctx) == {"cash": 600, "sales": -500, "tax": -100, "shares": 350, "partners": -350}
    with pytest.raises(Conflict, match=r"6\.00 USD was paid"):
        await refunded(world, 601, "refund 2")
    await refunded(world, 600, "refund 2")
    assert (await ledger(ctx), await shares(ctx)) == ({}, {"store": 0})
    with pytest.raises(Conflict, match=r"0\.00 USD was paid"):
        await refunded(world, 1, "refund 3")
    assert await differences(ctx, operator) == []


async def test_a_line_is_refunded_at_the_cost_of_its_partner_alone(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 1000, 30, service="mail")
    await billed(world, 2000)
    await collected(ctx, 3000)
    await refunded(world, 1000, mail=1000)
    assert {name: minor for name, minor in (await shares(ctx)).items() if minor} == {"store": 1400}
    with pytest.raises(InvalidParams, match="is left"):
        await refunded(world, 1, "refund 2", mail=1)
    await refunded(world, 100, "refund 2", store=300)
    (credit,) = await list_credits(ctx, world.user)
    assert (credit.left_minor, (await ledger(ctx))["cash"]) == (200, 1900)
    assert await differences(ctx, operator) == []


async def test_what_a_credit_had_paid_is_not_paid_back_as_money(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 300, CreditKind.PREPAID, "in advance"))
    await billed(world, 1000)
    await collected(ctx, 700)
    with pytest.raises(Conflict, match=r"7\.00 USD was paid"):
        await refunded(world, 1000)
    await refunded(world, 700, store=1000)
    assert sorted(credit.left_minor for credit in await list_credits(ctx, world.user)) == [0, 300]
    assert await ledger(ctx) == {"credit:prepaid": -300, "funds": 300}
    assert await differences(ctx, operator) == []


async def test_what_is_not_paid_yet_is_taken_back_first(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 1000, 30, service="mail")
    number = await billed(world, 1000)
    await collected(ctx, 1000)
    assert await shares(ctx) == {"mail": 350, "store": 350}
    # What was paid for the line that is taken back pays the other one.
    (line,) = [line.number for line in (await get_document(ctx, world.user, number)).lines if line.service == "mail"]
    await write_credit_note(ctx, operator, number, "was down", [TakenBack(line)])
    assert (await states(ctx), await shares(ctx)) == (["paid"], {"mail": 0, "store": 700})
    assert await differences(ctx, operator) == []


async def test_what_is_paid_in_part_is_refunded_up_to_that_and_owes_what_it_owed(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 1000, 30, service="mail")
    number = await billed(world, 1000)
    await collected(ctx, 1000)
    await refunded(world, 500)
    books = await ledger(ctx)
    assert (books["receivable"], books["cash"], await states(ctx)) == (1000, 500, ["issued"])
    assert await shares(ctx) == {"mail": 175, "store": 175}
    with pytest.raises(Conflict, match=r"5\.00 USD was paid with money"):
        await refunded(world, 501, key="refund 2")
    await write_credit_note(ctx, operator, number, "was down")
    assert (await states(ctx), (await ledger(ctx))["credit:prepaid"]) == (["paid"], -500)
    assert await differences(ctx, operator) == []
