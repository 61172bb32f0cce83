"""Money that comes in: it pays an invoice, and with it the partners' shares become due."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from broker.billing.collect import record_collected
from broker.billing.credits import Funding, NewCredit, grant_credit, list_credits
from broker.billing.invoices import issue_finalized
from broker.billing.months import month_at
from broker.billing.pricing import CreditKind
from broker.billing.share_models import PartnerShare
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed, differences
from tests.billing.test_close import after, close_all, invoices, ledger, used
from tests.domain import new_user


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(ctx: Context) -> Actor:
    return replace(await new_user(ctx, "olga@example.com"), is_operator=True)


async def collected(ctx: Context, minor: int, key: str = "payment 1", *, month: str = "2026-11", **more: Any) -> int:
    """Money for the invoice of a month; what is still owed of it."""
    (invoice_id,) = [each.id for each in await invoices(ctx) if each.month == month]
    async with ctx.database.transaction() as tx:
        return await record_collected(tx, invoice_id, minor, key, ctx.clock.now(), **more)


async def shares(ctx: Context) -> dict[str, int]:
    """What each partner got for which line, by service."""
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(PartnerShare.service, PartnerShare.share_minor))
        found: dict[str, int] = {}
        for service, minor in rows:
            found[service] = found.get(service, 0) + minor
        return found


async def states(ctx: Context) -> list[str]:
    return [each.state for each in await invoices(ctx)]


async def test_money_pays_an_invoice_in_parts_and_each_part_once(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 999, 30, service="mail")
    await billed(world, 101)
    assert [await collected(ctx, 500), await collected(ctx, 500), await collected(ctx, 599, "payment 2")] == [
        600,
        600,
        1,
    ]
    assert await states(ctx) == ["issued"]
    assert await collected(ctx, 1, "payment 3", fee_minor=1) == 0
    assert await states(ctx) == ["paid"]
    assert await shares(ctx) == {"mail": 699, "store": 70}
    assert await ledger(ctx) == {
        "cash": 1099, "fees": 1, "sales": -1100, "shares": 769, "partners": -769,
    }  # fmt: skip
    assert await differences(ctx, operator) == []


async def test_what_is_paid_too_much_becomes_a_credit(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await billed(world, 1000)
    assert await collected(ctx, 1300) == 0
    assert await collected(ctx, 50, "payment 2") == 0
    assert sorted(credit.left_minor for credit in await list_credits(ctx, world.user)) == [50, 300]
    assert await shares(ctx) == {"store": 700}
    assert (await ledger(ctx))["cash"] == 1350
    assert await differences(ctx, operator) == []


async def test_what_was_carried_is_shared_when_it_is_collected_and_first(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 40, 30, service="mail")
    await used(ctx, world.user, 1000, 31, after_days=30)
    after(ctx, month_at(2026, 12))
    await close_all(ctx)
    await issue_finalized(ctx)
    assert await shares(ctx) == {}
    assert await collected(ctx, 39, month="2026-12") == 1001
    assert await shares(ctx) == {"mail": 27}
    assert await collected(ctx, 1001, "payment 2", month="2026-12") == 0
    assert await shares(ctx) == {"mail": 28, "store": 700}
    assert await differences(ctx, operator) == []


async def test_what_credits_pay_is_shared_when_the_month_is_closed(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 400, CreditKind.PREPAID, "in advance"))
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 200, CreditKind.PROMO, "welcome"))
    await billed(world, 1000)
    # Half of what the customer pays is there, and with it half of the platform's credit.
    assert await shares(ctx) == {"store": 350}
    assert await collected(ctx, 400) == 0
    assert await shares(ctx) == {"store": 700}
    async with ctx.database.transaction() as tx:
        assert {row.base_minor for row in await tx.execute(select(PartnerShare.__table__))} == {500}
    assert await differences(ctx, operator) == []


async def test_what_the_platform_gives_away_is_at_its_own_cost(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 5000, CreditKind.PROMO, "welcome"))
    await used(ctx, world.user, 1000, 30)
    after(ctx)
    await close_all(ctx)
    assert (await states(ctx), await shares(ctx)) == (["statement"], {"store": 700})
    assert await differences(ctx, operator) == []


async def test_what_both_give_away_is_at_the_cost_of_both(world: World, operator: Actor) -> None:
    ctx = world.ctx
    for minor, funded_by in ((200, Funding.PLATFORM), (300, Funding.BOTH)):
        new = NewCredit("alice@example.com", minor, CreditKind.PROMO, "welcome", funded_by=funded_by)
        await grant_credit(ctx, operator, new)
    await used(ctx, world.user, 1000, 30, service="mail")
    await billed(world, 1000)
    assert await collected(ctx, 1500) == 0
    # Of 20.00, 3.00 lower what is shared, and 2.00 do not.
    assert await shares(ctx) == {"mail": 595, "store": 595}
    assert await differences(ctx, operator) == []


async def test_what_comes_to_no_share_is_collected_all_the_same(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 1, CreditKind.PREPAID, "in advance"))
    await billed(world, 1000)
    assert await differences(ctx, operator) == []
    assert await collected(ctx, 999) == 0
    assert await shares(ctx) == {"store": 700}
    assert await differences(ctx, operator) == []


async def test_only_invoices_are_paid_with_money(world: World) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 10, 30)
    after(ctx)
    await close_all(ctx)
    with pytest.raises(Conflict, match="nothing to pay"):
        await collected(ctx, 10)
    with pytest.raises(NotFound):
        async with ctx.database.transaction() as tx:
            await record_collected(tx, new_id(), 10, "payment 1", ctx.clock.now())


async def test_what_is_no_amount_is_refused(world: World) -> None:
    ctx = world.ctx
    await billed(world, 1000)
    with pytest.raises(InvalidParams):
        await collected(ctx, 0)
    with pytest.raises(InvalidParams):
        await collected(ctx, 5, fee_minor=6)
    assert await shares(ctx) == {}
