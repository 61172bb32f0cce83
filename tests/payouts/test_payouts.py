"""From what was collected to what the partner is paid: held, drafted, approved, paid, and what goes wrong on the way."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from broker.billing.invoices import issue_finalized
from broker.billing.models import LedgerTransaction
from broker.billing.months import month_at
from broker.catalog.members import Role, set_member
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.notices.models import Notice
from broker.payouts.accrual import AccrualView, list_accruals
from broker.payouts.agreements import agree_share, list_agreements
from broker.payouts.balances import BalanceView, list_balances
from broker.payouts.draft import Drafted, draft_payouts
from broker.payouts.move import approve_payouts, fail_payout, mark_paid
from broker.payouts.payouts import every_payout, export_payouts, list_payouts
from broker.payouts.statements import DayView, list_statements
from tests.addons.conftest import World
from tests.billing.test_books import billed, differences
from tests.billing.test_close import after, close_all, ledger, used
from tests.billing.test_collect import collected, shares
from tests.billing.test_refunds import refunded, taxed
from tests.domain import new_user


async def balance(world: World, partner: Actor) -> BalanceView:
    (found,) = await list_balances(world.ctx, partner, "store")
    return found


async def seasoned(world: World, *cents: int) -> None:
    """An invoice over so much, paid long enough ago."""
    await billed(world, *cents)
    await collected(world.ctx, sum(cents))
    world.ctx.clock.advance(days=10)


async def paid_out(world: World, operator: Actor) -> Drafted:
    drafted = await draft_payouts(world.ctx, operator)
    for payout in await approve_payouts(world.ctx, operator):
        await mark_paid(world.ctx, operator, str(payout.id), "transfer 1")
    return drafted


async def told(ctx: Context) -> list[str]:
    async with ctx.database.transaction() as tx:
        kinds = await tx.execute(select(Event.kind).where(Event.kind.startswith("payout.")).order_by(Event.id))
        return list(kinds.scalars())


async def test_a_share_is_held_drafted_approved_and_paid(world: World, operator: Actor, partner: Actor) -> None:
    ctx = world.ctx
    await billed(world, 1000)
    assert await list_balances(ctx, partner, "store") == []
    await collected(ctx, 1000)
    found = await balance(world, partner)
    assert (found.balance_minor, found.held_minor, found.available_minor) == (700, 700, 0)
    held = await draft_payouts(ctx, operator)
    assert (held.payouts, [left.balance_minor for left in held.left]) == ([], [700])
    ctx.clock.advance(days=10)
    (payout,) = (await draft_payouts(ctx, operator)).payouts
    assert (payout.service, payout.minor, payout.state, payout.day) == ("store", 700, "draft", "2026-12-14")
    assert (await draft_payouts(ctx, operator)).payouts == []
    found = await balance(world, partner)
    assert (found.balance_minor, found.on_its_way_minor, found.paid_minor) == (0, 700, 0)
    with pytest.raises(Conflict, match="is draft"):
        await mark_paid(ctx, operator, str(payout.id))
    assert [each.state for each in await approve_payouts(ctx, operator)] == ["approved"]
    rows = [row async for row in export_payouts(ctx, operator)]
    assert dict(zip(*rows, strict=True)) == {
        "payout": str(payout.id), "day": "2026-12-14", "service": "store", "partner": "paula@example.com",
        "currency": "USD", "amount": "7.00", "state": "approved", "reference": "",
        "drafted_at": "2026-12-14T00:15:00Z",
    }  # fmt: skip
    for _ in range(2):
        assert (await mark_paid(ctx, operator, str(payout.id), "transfer 1")).state == "paid"
    assert await ledger(ctx) == {"cash": 300, "sales": -1000, "shares": 700}
    assert [(each.state, each.reference) for each in await list_payouts(ctx, partner, "store")] == [
        ("paid", "transfer 1")
    ]
    assert await told(ctx) == ["payout.drafted", "payout.made"]
    async with ctx.database.transaction() as tx:
        notices = await tx.execute(select(Notice.kind, Notice.address).where(Notice.kind.startswith("payout.")))
        assert notices.all() == [("payout.made", "paula@example.com")]
    assert await differences(ctx, operator) == []


async def test_every_day_has_a_statement_and_its_balance(world: World, operator: Actor, partner: Actor) -> None:
    ctx = world.ctx
    await seasoned(world, 1000)
    await paid_out(world, operator)
    ctx.clock.advance(days=1)
    await refunded(world, 300)
    days = await list_statements(ctx, partner, "store", date(2026, 12, 1))
    assert days == [
        DayView(date(2026, 12, 15), "usd", refunded_minor=300, base_minor=-300, commission_minor=-90,
                clawed_back_minor=210, balance_minor=-210),
        DayView(date(2026, 12, 14), "usd", paid_out_minor=700, balance_minor=0),
        DayView(date(2026, 12, 4), "usd", gross_minor=1000, base_minor=1000, commission_minor=300, earned_minor=700,
                balance_minor=700),
    ]  # fmt: skip
    assert await list_statements(ctx, partner, "store", date(2026, 12, 14), date(2026, 12, 14)) == [days[1]]
    with pytest.raises(InvalidParams):
        await list_statements(ctx, partner, "store", date(2026, 12, 14), date(2026, 12, 13))


async def test_a_refund_after_the_payout_leaves_a_debt_that_is_carried(
    world: World, operator: Actor, partner: Actor
) -> None:
    ctx = world.ctx
    await used(ctx, world.user, 1500, 31, after_days=30)
    await seasoned(world, 1000)
    await paid_out(world, operator)
    await refunded(world, 1000)
    assert (await balance(world, partner)).balance_minor == -700
    after(ctx, month_at(2026, 12))
    await close_all(ctx)
    await issue_finalized(ctx)
    await collected(ctx, 1500, "payment 2", month="2026-12")
    ctx.clock.advance(days=10)
    found = await balance(world, partner)
    assert (found.balance_minor, found.payable_minor) == (350, 0)
    assert (await draft_payouts(ctx, operator)).payouts == []
    assert await differences(ctx, operator) == []


async def test_what_is_below_the_minimum_stays_in_the_balance(world: World, operator: Actor, partner: Actor) -> None:
    await seasoned(world, 712)
    drafted = await draft_payouts(world.ctx, operator)
    assert (drafted.payouts, [each.balance_minor for each in drafted.left]) == ([], [498])
    assert (await balance(world, partner)).available_minor == 498


async def test_a_reserve_is_kept_back_for_some_months(world: World, operator: Actor, partner: Actor) -> None:
    world.ctx = replace(world.ctx, rules=replace(world.ctx.rules, payout_reserve_bp=1000))
    await seasoned(world, 1001)
    (payout,) = (await draft_payouts(world.ctx, operator)).payouts
    assert (payout.minor, (await balance(world, partner)).reserved_minor) == (630, 70)
    world.ctx.clock.advance(days=90)
    found = await balance(world, partner)
    assert (found.balance_minor, found.reserved_minor, found.available_minor) == (70, 0, 70)


async def test_a_payout_that_fails_is_in_the_balance_again(world: World, operator: Actor, partner: Actor) -> None:
    ctx = world.ctx
    await seasoned(world, 1000)
    (payout,) = (await paid_out(world, operator)).payouts
    await fail_payout(ctx, operator, str(payout.id), "no such account")
    assert (await balance(world, partner)).balance_minor == 700
    assert (await ledger(ctx))["cash"] == 1000
    with pytest.raises(Conflict, match="is failed"):
        await fail_payout(ctx, operator, str(payout.id), "again")
    (again,) = (await draft_payouts(ctx, operator)).payouts
    await fail_payout(ctx, operator, str(again.id), "not yet")
    assert (await list_statements(ctx, partner, "store"))[0].balance_minor == 700
    assert [each.reason for each in await every_payout(ctx, operator)] == ["not yet", "no such account"]
    assert await told(ctx) == ["payout.drafted", "payout.made", "payout.failed", "payout.drafted", "payout.failed"]
    assert await differences(ctx, operator) == []


async def test_each_second_is_shared_as_it_was_agreed_for_it(world: World, operator: Actor, partner: Actor) -> None:
    ctx = world.ctx
    # Ten of thirty days at nine tenths, and what is agreed later for earlier does not exist.
    await agree_share(ctx, operator, "store", 8000, ctx.clock.now() + timedelta(days=3))
    await agree_share(ctx, operator, "store", 9000, month_at(2026, 11).end - timedelta(days=5))
    with pytest.raises(InvalidParams, match="in the past"):
        await agree_share(ctx, operator, "store", 1, ctx.clock.now() - timedelta(seconds=1))
    with pytest.raises(InvalidParams, match="from 0 to 10000"):
        await agree_share(ctx, operator, "store", 10_001)
    await billed(world, 3000)
    await agree_share(ctx, operator, "store", 100)
    await collected(ctx, 3000)
    since = ctx.clock.now()
    assert [each.share_bp for each in await list_agreements(ctx, partner, "store")] == [100, 9000, 8000]
    async with ctx.database.transaction() as tx:
        (share_bp,) = (await tx.execute(text("select share_bp from partner_shares"))).scalars()
    eight = month_at(2026, 11).end - timedelta(days=5) - (since.replace(month=11, day=24, hour=9, minute=54, second=7))
    days_8, days_9, whole = eight.total_seconds(), 5 * 86400, 30 * 86400
    expected = (days_8 * 8000 + days_9 * 9000 + (whole - days_8 - days_9) * 7000) / whole
    assert "/" in share_bp
    assert await shares(ctx) == {"store": int(3000 * expected / 10_000)}
    assert await differences(ctx, operator) == []


async def test_a_partner_sees_what_will_come(world: World, operator: Actor, partner: Actor) -> None:
    ctx = world.ctx
    await taxed(ctx, world.user, "1/5")
    await used(ctx, world.user, 3000, 30)
    await used(ctx, world.user, 9999, 30, service="mail")
    await used(ctx, world.user, 3100, 31, after_days=30, currency="eur")
    ctx.clock.advance(seconds=(month_at(2026, 11).end - timedelta(days=6) - ctx.clock.now()).total_seconds())
    november = AccrualView("2026-11", "usd", 1680, 2100)
    assert await list_accruals(ctx, partner, "store") == [november]
    after(ctx, month_at(2026, 11))
    ctx.clock.advance(seconds=(month_at(2026, 12).start + timedelta(days=2) - ctx.clock.now()).total_seconds())
    december = AccrualView("2026-12", "eur", 140, 2170)
    assert await list_accruals(ctx, partner, "store") == [replace(november, share_minor=2100), december]
    after(ctx, month_at(2026, 11))
    await close_all(ctx)
    await issue_finalized(ctx)
    (billed_usd, later) = await list_accruals(ctx, partner, "store")
    assert (billed_usd, later.month) == (AccrualView("", "usd", 2100, 2100), "2026-12")
    await collected(ctx, 7800)
    half = (await list_accruals(ctx, partner, "store"))[0].share_minor
    assert half + (await shares(ctx))["store"] == 2100


async def test_only_owners_and_admins_of_the_service_see_what_it_earns(
    world: World, operator: Actor, partner: Actor
) -> None:
    ctx = world.ctx
    await seasoned(world, 1000)
    developer, mallory = await new_user(ctx, "dora@example.com"), await new_user(ctx, "mallory@example.com")
    await set_member(ctx, partner, "store", developer.email, Role.DEVELOPER)
    for look in (list_accruals, list_balances, list_payouts, list_statements, list_agreements):
        assert await look(ctx, operator, "store") == await look(ctx, partner, "store")
        with pytest.raises(Forbidden, match="needs the role admin"):
            await look(ctx, developer, "store")
        with pytest.raises(NotFound):
            await look(ctx, mallory, "store")
    with pytest.raises(NotFound):
        await agree_share(ctx, operator, "nothing", 8000)
    for deed in (
        draft_payouts(ctx, partner),
        every_payout(ctx, partner),
        approve_payouts(ctx, partner),
        mark_paid(ctx, partner, "", ""),
        fail_payout(ctx, partner, "", ""),
        agree_share(ctx, partner, "store", 9999),
    ):
        with pytest.raises(NotFound):
            await deed
    with pytest.raises(NotFound):
        await mark_paid(ctx, operator, "nothing")


async def test_nobody_is_paid_for_a_service_without_an_owner(world: World, operator: Actor) -> None:
    await seasoned(world, 1000)
    drafted = await draft_payouts(world.ctx, operator)
    assert (drafted.payouts, drafted.left, [each.payable_minor for each in drafted.unowned]) == ([], [], [700])
    assert (await balance(world, operator)).balance_minor == 700


async def test_what_moves_to_partners_has_no_payer(world: World, operator: Actor, partner: Actor) -> None:
    await seasoned(world, 1000)
    await paid_out(world, operator)
    async with world.ctx.database.transaction() as tx:
        rows = await tx.execute(select(LedgerTransaction.kind).where(LedgerTransaction.account_id.is_(None)))
        assert list(rows.scalars()) == ["payout", "payout paid"]
