"""Closing a month: one bill per account and currency, or none, whatever happens."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from broker.addons.billed_names import billed_names
from broker.billing.accrual import accrual_of
from broker.billing.close import GRACE, close_due
from broker.billing.ledger import Posting, closing_amounts, post
from broker.billing.models import (
    BillingAccount,
    CreditGrant,
    CreditUsed,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    LedgerTransaction,
    UsagePeriod,
)
from broker.billing.months import Month, month_at
from broker.billing.pricing import Tax, Terms, statement
from broker.billing.terms import TermChanges, agree_terms, get_terms
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from tests.addons.conftest import World, make_world
from tests.billing.making import APRIL, history, price
from tests.domain import new_user

NOVEMBER = month_at(2026, 11)


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


async def close_all(ctx: Context, batch: int = 200) -> int:
    """Everything that is due; how many accounts that was."""
    accounts = 0
    while (closed := await close_due(ctx, billed_names, batch=batch)).more:
        accounts += closed.accounts
    return accounts


def after(ctx: Context, month: Month = NOVEMBER) -> None:
    """Let the month and the time for late reports pass."""
    left = month.end + GRACE - ctx.clock.now()
    ctx.clock.advance(seconds=max(left.total_seconds(), 0))


async def invoices(ctx: Context) -> list[Any]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Invoice.__table__).order_by(Invoice.month, Invoice.currency))).all())


async def lines(ctx: Context) -> list[Any]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(InvoiceLine.__table__).order_by(InvoiceLine.number))).all())


async def ledger(ctx: Context) -> dict[str, int]:
    """The balance of every account of the ledger that has one."""
    sums = select(LedgerEntry.ledger_account, func.sum(LedgerEntry.minor)).group_by(LedgerEntry.ledger_account)
    async with ctx.database.transaction() as tx:
        return {account: int(minor) for account, minor in await tx.execute(sums) if minor}


async def used(ctx: Context, payer: Actor, cents: int, days: float, **more: Any) -> None:
    """A period of so many days from the start of November on."""
    started = NOVEMBER.start + timedelta(days=more.pop("after_days", 0))
    async with ctx.database.transaction() as tx:
        plan = (await tx.execute(text("select id from plans limit 1"))).scalar_one()
        period = {
            "id": new_id(), "addon_id": new_id(), "app_id": new_id(), "payer_id": payer.id, "plan_id": plan,
            "price_cents": cents, "currency": "usd", "service": "store", "plan": "big", "terms": {}, "mode": "paid",
            "started_at": started, "ended_at": started + timedelta(days=days),
        }  # fmt: skip
        await tx.execute(insert(UsagePeriod).values(period | more))


async def test_the_bill_is_what_the_preview_said(world: World) -> None:
    await world.provisioned("store:big")
    await world.provisioned("store:free")
    async with world.ctx.database.transaction() as tx:
        (preview,) = await accrual_of(tx, world.user.id, "2026-11", world.ctx.clock.now())
    after(world.ctx)
    assert await close_all(world.ctx) == 1
    (invoice,) = await invoices(world.ctx)
    assert invoice.number == "INV-2026-000001"
    assert (invoice.state, invoice.net_minor, invoice.due_minor) == ("finalized", 1598, preview.forecast.due_minor)
    (big, free) = await lines(world.ctx)
    assert (big.plan, big.minor, big.app, big.explanation[0]) == ("big", 1598, "shop", "store:big, in 2026-11:")
    assert (free.plan, free.minor) == ("free", 0)
    assert await ledger(world.ctx) == {"receivable": 1598, "sales": -1598}


async def test_a_month_is_not_closed_before_reports_of_it_are_late(world: World) -> None:
    await world.provisioned("store:big")
    world.ctx.clock.advance(seconds=(NOVEMBER.end + GRACE - world.ctx.clock.now()).total_seconds() - 1)
    assert await close_all(world.ctx) == 0
    world.ctx.clock.advance(seconds=1)
    assert await close_all(world.ctx) == 1
    assert await close_all(world.ctx) == 0
    assert len(await invoices(world.ctx)) == 1


async def test_what_costs_nothing_gets_a_statement_and_no_number(world: World) -> None:
    await world.provisioned("store:free")
    after(world.ctx)
    await close_all(world.ctx)
    (found,) = await invoices(world.ctx)
    assert (found.state, found.number, found.due_minor) == ("statement", None, 0)
    assert await ledger(world.ctx) == {}


async def test_too_little_is_carried_until_it_is_worth_collecting(world: World) -> None:
    await used(world.ctx, world.user, 30, 30)
    await used(world.ctx, world.user, 31, 31, after_days=30)
    after(world.ctx, month_at(2026, 11))
    await close_all(world.ctx)
    assert await ledger(world.ctx) == {"carried": 30, "sales": -30}
    after(world.ctx, month_at(2027, 1))
    await close_all(world.ctx)
    facts = [(each.month, each.state, each.carried_minor, each.due_minor) for each in await invoices(world.ctx)]
    assert facts == [("2026-11", "statement", 0, 30), ("2026-12", "finalized", 30, 61)]
    assert await ledger(world.ctx) == {"receivable": 61, "sales": -61}


async def test_what_is_carried_is_not_lost_in_a_month_without_anything(world: World) -> None:
    await used(world.ctx, world.user, 30, 30)
    after(world.ctx, month_at(2027, 2))
    await close_all(world.ctx)
    facts = [(each.month, each.state, each.due_minor) for each in await invoices(world.ctx)]
    assert facts[:2] == [("2026-11", "statement", 30), ("2026-12", "statement", 30)]


async def test_credits_tax_and_discount_are_those_of_the_account(world: World) -> None:
    ctx, user, now = world.ctx, world.user, world.ctx.clock.now()
    await used(ctx, user, 10_000, 30)
    credit = {"account_id": user.id, "currency": "usd", "reason": "welcome", "granted_at": now, "actor_id": user.id}
    promo = credit | {"id": new_id(), "kind": "promo", "minor": 1000, "actor_email": user.email}
    prepaid = credit | {"id": new_id(), "kind": "prepaid", "minor": 500, "actor_email": user.email}
    async with ctx.database.transaction() as tx:
        account = {"id": user.id, "tax": {"rate": "1/5"}, "discount_bp": 1000, "created_at": now, "updated_at": now}
        await tx.execute(insert(BillingAccount).values(account))
        await tx.execute(insert(CreditGrant), [promo, prepaid])
    after(ctx)
    await close_all(ctx)
    (found,) = await invoices(ctx)
    assert (found.net_minor, found.tax_minor, found.prepaid_minor, found.due_minor) == (8000, 1600, 500, 9100)
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.sum(CreditUsed.minor)))).scalar() == 1500
        assert (await tx.execute(select(BillingAccount.currency))).scalar() == "usd"
    assert await ledger(ctx) == {
        "credit:prepaid": 500, "credit:promo": 1000, "receivable": 9100, "sales": -9000, "tax": -1600,
        "shares": 328, "partners": -328,
    }  # fmt: skip


async def test_every_currency_has_a_bill_of_its_own(world: World) -> None:
    await used(world.ctx, world.user, 1000, 30)
    await used(world.ctx, world.user, 2000, 30, currency="eur")
    after(world.ctx)
    await close_all(world.ctx)
    assert [(each.currency, each.due_minor) for each in await invoices(world.ctx)] == [("eur", 2000), ("usd", 1000)]


async def test_what_was_in_the_sandbox_costs_nothing(world: World) -> None:
    await used(world.ctx, world.user, 1000, 30, mode="sandbox")
    after(world.ctx)
    await close_all(world.ctx)
    assert ([each.state for each in await invoices(world.ctx)], await lines(world.ctx)) == (["statement"], [])


async def test_batches_are_gone_through_to_the_end_and_numbered_without_gaps(world: World) -> None:
    users = [await new_user(world.ctx, f"user{number}@example.com") for number in range(7)]
    for number, user in enumerate(users):
        await used(world.ctx, user, 1000 * (number % 3), 30)
    after(world.ctx)
    assert await close_all(world.ctx, batch=2) == 7
    found = await invoices(world.ctx)
    numbers = sorted(each.number for each in found if each.number)
    assert (len(found), numbers) == (7, [f"INV-2026-{number:06}" for number in range(1, 5)])


async def test_an_invoice_can_not_be_changed_by_anybody(world: World) -> None:
    await used(world.ctx, world.user, 1000, 30)
    after(world.ctx)
    await close_all(world.ctx)
    for change in (
        "update invoices set due_minor = 1",
        "delete from invoice_lines",
        "update invoice_lines set minor = 1",
        "update ledger_entries set minor = minor",
        "delete from ledger_transactions",
    ):
        with pytest.raises(DBAPIError, match=r"append-only|is finalized"):
            async with world.ctx.database.transaction() as tx:
                await tx.execute(text(change))
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("update invoices set state = 'issued', issued_at = now()"))


async def test_the_ledger_refuses_what_does_not_balance_and_what_was_there(live_ctx: Context) -> None:
    alice = await new_user(live_ctx, "alice@example.com")

    def posting(key: str, *amounts: int) -> Posting:
        moved = {("sales", str(number)): minor for number, minor in enumerate(amounts)}
        return Posting(key, "close", alice.id, "usd", live_ctx.clock.now(), moved)

    async def posted(*postings: Posting) -> None:
        async with live_ctx.database.transaction() as tx:
            await post(tx, postings)

    await posted(posting("one", 5, -3, -2))
    for wrong in (posting("two", 5, -4), posting("three", 0)):
        with pytest.raises(DBAPIError, match="does not balance"):
            await posted(wrong)
    with pytest.raises(IntegrityError, match="uq_ledger_transactions_key"):
        await posted(posting("one", 1, -1))
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(select(LedgerTransaction.key))).scalars().all() == ["one"]


@given(
    st.lists(st.tuples(st.integers(0, 99_999), st.integers(0, 29), st.integers(1, 30)), max_size=5),
    st.one_of(st.none(), st.builds(Tax, st.fractions(0, 1), st.booleans())),
    st.integers(0, 10_000),
    st.integers(0, 100),
)
def test_what_a_close_posts_always_balances(
    periods: list[tuple[int, int, int]], tax: Tax | None, discount_bp: int, carried: int
) -> None:
    account = UUID(int=1)
    segments = [
        segment
        for number, (cents, first, days) in enumerate(periods)
        for segment in history(
            (APRIL.start + timedelta(days=first), "activate", price(cents), account),
            (APRIL.start + timedelta(days=first + days), "end"),
            name=f"db{number}",
        )
    ]
    terms = Terms(account, tax=tax, discount_bp=discount_bp, carried_minor=carried)
    found = statement(terms, APRIL, segments, at=APRIL.end)
    assert sum(closing_amounts(found).values()) == 0


async def test_operators_agree_on_what_an_account_is_billed_by(world: World) -> None:
    ctx, olga = world.ctx, replace(world.user, is_operator=True)
    tax = Tax(Fraction(19, 100), note="VAT 19 %")
    agreed = await agree_terms(ctx, olga, "ALICE@example.com", TermChanges(tax, discount_bp=1000, zone="Europe/Berlin"))
    assert agreed == await get_terms(ctx, olga, "alice@example.com")
    addon = await world.provisioned("store:big")
    async with ctx.database.transaction() as tx:
        period = "update usage_periods set started_at = '2026-09-30T22:00Z', price_cents = 1000 where addon_id = :id"
        await tx.execute(text(period), {"id": addon.id})
    after(ctx)
    await close_all(ctx)
    found = {each.month: each for each in await invoices(ctx)}
    for month, seconds in (("2026-10", 2_682_000), ("2026-11", 2_592_000)):  # October has an hour more in Berlin
        assert (found[month].net_minor, found[month].tax_minor, found[month].zone) == (900, 171, "Europe/Berlin")
        assert (found[month].ends_at - found[month].starts_at).total_seconds() == seconds
    with pytest.raises(Conflict, match="zone"):
        await agree_terms(ctx, olga, "alice@example.com", TermChanges(zone="UTC"))
    assert (
        await agree_terms(ctx, olga, "alice@example.com", TermChanges(ends_tax=True, zone="Europe/Berlin"))
    ).tax is None
    for wrong in (TermChanges(zone="Moon/Sea"), TermChanges(discount_bp=10_001), TermChanges(Tax(Fraction(2)))):
        with pytest.raises(InvalidParams):
            await agree_terms(ctx, olga, "alice@example.com", wrong)
    for actor, email in ((world.user, "alice@example.com"), (olga, "nobody@example.com")):
        with pytest.raises(NotFound):
            await agree_terms(ctx, actor, email, TermChanges(discount_bp=10_000))
