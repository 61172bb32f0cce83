"""Credits, credit notes, and the check that proves the books."""

import asyncio
import contextvars
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from broker.accounts.models import User
from broker.billing.check import check_nightly, check_some
from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.credits import NewCredit, grant_credit, list_credits
from broker.billing.invoices import get_document, get_line, issue_finalized, list_invoices
from broker.billing.models import INVOICE_TRANSITIONS, InvoiceState
from broker.billing.months import month_at
from broker.billing.pricing import CreditKind
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.payouts.check import check_payouts
from tests.addons.conftest import World, make_world
from tests.billing.test_close import after, close_all, invoices, ledger, used
from tests.domain import new_user


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def operator(ctx: Context) -> Actor:
    return replace(await new_user(ctx, "olga@example.com"), is_operator=True)


async def billed(world: World, *cents: int) -> str:
    """The number of an issued invoice for November, with a line for each of these prices."""
    for each in cents:
        await used(world.ctx, world.user, each, 30)
    after(world.ctx)
    await close_all(world.ctx)
    await issue_finalized(world.ctx)
    (number,) = [each.number for each in await invoices(world.ctx) if each.number]
    return str(number)


async def differences(ctx: Context, operator: Actor, most: int = 100) -> list[str]:
    found: list[str] = []
    part = await check_some(ctx, operator, most=most, further=[check_payouts])
    while part.after is not None:
        found += part.differences
        part = await check_some(ctx, operator, str(part.after), most, [check_payouts])
    return [*found, *part.differences]


async def damage(ctx: Context, change: str) -> None:
    """What only whoever owns the database can do."""
    async with ctx.database.transaction() as tx:
        await tx.execute(text("set local session_replication_role = replica"))
        await tx.execute(text(change))
        await tx.execute(text("set local session_replication_role = origin"))


async def kinds(ctx: Context) -> list[str]:
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(Event.kind).order_by(Event.id))
        return [kind for kind in rows.scalars() if kind.startswith(("invoice.", "credit.", "billing."))]


async def test_those_who_pay_see_their_bills_and_nobody_else_does(world: World) -> None:
    number = await billed(world, 1000, 0)
    (listed,) = await list_invoices(world.ctx, world.user)
    document = await get_document(world.ctx, world.user, number)
    assert (listed, [line.minor for line in document.lines]) == (document.invoice, [1000])
    assert (await get_document(world.ctx, world.user, str(listed.id))) == document
    _, line = await get_line(world.ctx, world.user, number, 1)
    assert line.explanation[-1] == ("10.00 USD a month × 2592000 / 2592000 = 10 USD, rounded to 10.00 USD")
    mallory = await new_user(world.ctx, "mallory@example.com")
    assert await list_invoices(world.ctx, mallory) == []
    for key in (number, str(listed.id), "INV-2026-000099"):
        with pytest.raises(NotFound):
            await get_document(world.ctx, mallory, key)
    with pytest.raises(NotFound):
        await get_line(world.ctx, world.user, number, 2)
    with pytest.raises(Forbidden):
        await list_invoices(world.ctx, replace(world.user, only_apps=frozenset()))


async def test_an_invoice_is_issued_once(world: World) -> None:
    await billed(world, 1000)
    assert await issue_finalized(world.ctx) == 0
    assert [each.state for each in await invoices(world.ctx)] == ["issued"]
    assert await kinds(world.ctx) == ["invoice.issued"]


def test_every_state_but_the_last_ones_leads_on() -> None:
    ends = {state for state, following in INVOICE_TRANSITIONS.items() if not following}
    assert ends == {InvoiceState.STATEMENT, InvoiceState.VOID}
    assert {state for following in INVOICE_TRANSITIONS.values() for state in following} | {InvoiceState.OPEN} == set(
        InvoiceState
    )


async def test_a_credit_is_used_up_by_the_months_that_follow(world: World, operator: Actor) -> None:
    ctx = world.ctx
    await grant_credit(ctx, operator, NewCredit("alice@example.com", 1500, CreditKind.PREPAID, "paid in advance"))
    await used(ctx, world.user, 1000, 61)
    after(ctx, month_at(2026, 12))
    await close_all(ctx)
    assert [(each.state, each.due_minor) for each in await invoices(ctx)] == [("statement", 0), ("finalized", 500)]
    (left,) = await list_credits(ctx, world.user)
    assert (left.minor, left.left_minor, left.reason) == (1500, 0, "paid in advance")
    assert await differences(ctx, operator) == []


async def test_a_credit_larger_than_the_bill_keeps_its_rest(world: World, operator: Actor) -> None:
    await grant_credit(world.ctx, operator, NewCredit("alice@example.com", 5000, CreditKind.PROMO, "welcome"))
    await used(world.ctx, world.user, 1000, 30)
    after(world.ctx)
    await close_all(world.ctx)
    (left,) = await list_credits(world.ctx, world.user)
    assert left.left_minor == 4000
    assert await ledger(world.ctx) == {
        "credit:promo": -4000, "promotions": 5000, "sales": -1000, "shares": 700, "partners": -700,
    }  # fmt: skip
    assert await differences(world.ctx, operator) == []


async def test_a_credit_that_expired_at_the_instant_is_not_used(world: World, operator: Actor) -> None:
    end = month_at(2026, 11).end
    for minor, expires_at in ((100, end), (10, end + timedelta(seconds=1))):
        new = NewCredit("alice@example.com", minor, CreditKind.PROMO, "welcome", expires_at=expires_at)
        await grant_credit(world.ctx, operator, new)
    await billed(world, 1000)
    assert [each.due_minor for each in await invoices(world.ctx)] == [990]


async def test_credits_are_granted_by_operators_to_accounts_that_there_are(world: World, operator: Actor) -> None:
    new = NewCredit("alice@example.com", 100, CreditKind.PROMO, "welcome")
    with pytest.raises(NotFound):
        await grant_credit(world.ctx, world.user, new)
    with pytest.raises(NotFound):
        await grant_credit(world.ctx, operator, replace(new, email="nobody@example.com"))
    with pytest.raises(InvalidParams, match="positive"):
        await grant_credit(world.ctx, operator, replace(new, minor=0))
    with pytest.raises(InvalidParams, match="in the future"):
        await grant_credit(world.ctx, operator, replace(new, expires_at=world.ctx.clock.now()))


async def test_a_line_is_taken_back_in_parts_and_never_more_than_it(world: World, operator: Actor) -> None:
    number = await billed(world, 1000, 500)
    ctx = world.ctx
    note = await write_credit_note(ctx, operator, number, "was down", [TakenBack(1, 400)])
    assert (note.number, note.net_minor) == ("CN-2026-000001", 400)
    first = (await get_document(ctx, world.user, number)).lines[0].minor
    with pytest.raises(InvalidParams, match="is left"):
        await write_credit_note(ctx, operator, number, "was down", [TakenBack(1, first - 399)])
    for wrong, said in (([TakenBack(3)], "has no line 3"), ([TakenBack(1), TakenBack(1)], "once")):
        with pytest.raises(InvalidParams, match=said):
            await write_credit_note(ctx, operator, number, "was down", wrong)
    rest = await write_credit_note(ctx, operator, number, "was down all the time")
    assert (rest.number, rest.net_minor) == ("CN-2026-000002", 1100)
    with pytest.raises(Conflict):
        await write_credit_note(ctx, operator, number, "again")
    document = await get_document(ctx, world.user, number)
    assert (document.invoice.state, len(document.credit_notes)) == ("void", 2)
    assert await ledger(ctx) == {}
    assert await differences(ctx, operator) == []


async def test_tax_goes_back_in_proportion_and_sums_to_the_whole(world: World, operator: Actor) -> None:
    async with world.ctx.database.transaction() as tx:
        agreed = "insert into billing_accounts (id, tax, created_at, updated_at) values (:id, :tax, now(), now())"
        await tx.execute(text(agreed.replace(":tax", "cast(:tax as jsonb)")), {"id": world.user.id, "tax": '{"rate": "19/100"}'})  # fmt: skip
    number = await billed(world, 999)
    notes = [await write_credit_note(world.ctx, operator, number, "part", [TakenBack(1, 333)]) for _ in range(3)]
    assert ([note.tax_minor for note in notes], sum(note.tax_minor for note in notes)) == ([63, 64, 63], 190)
    assert await ledger(world.ctx) == {}


async def test_what_a_credit_had_paid_comes_back_as_a_credit(world: World, operator: Actor) -> None:
    await grant_credit(world.ctx, operator, NewCredit("alice@example.com", 700, CreditKind.PREPAID, "in advance"))
    number = await billed(world, 1000)
    await write_credit_note(world.ctx, operator, number, "was down")
    assert sorted(credit.left_minor for credit in await list_credits(world.ctx, world.user)) == [0, 700]
    assert await ledger(world.ctx) == {"credit:prepaid": -700, "funds": 700}
    assert await differences(world.ctx, operator) == []


async def test_only_operators_take_back_and_only_what_was_issued(world: World, operator: Actor) -> None:
    await used(world.ctx, world.user, 0, 30)
    after(world.ctx)
    await close_all(world.ctx)
    (found,) = await invoices(world.ctx)
    with pytest.raises(Conflict, match="issued"):
        await write_credit_note(world.ctx, operator, str(found.id), "was down")
    with pytest.raises(NotFound):
        await write_credit_note(world.ctx, world.user, str(found.id), "was down")


async def test_random_histories_are_billed_as_they_are_computed_again(world: World, operator: Actor) -> None:
    chance = random.Random(5)
    users = [await new_user(world.ctx, f"user{number}@example.com") for number in range(12)]
    for _ in range(60):
        more: dict[str, Any] = {"after_days": chance.random() * 50, "currency": chance.choice(["usd", "jpy"])}
        more["mode"] = chance.choice(["paid", "paid", "trial", "sandbox", "suspended"])
        await used(
            world.ctx, chance.choice(users), chance.choice([0, 10, 777, 50_000]), chance.random() * 40 + 1, **more
        )
    after(world.ctx, month_at(2027, 1))
    await close_all(world.ctx, batch=5)
    found = await invoices(world.ctx)
    assert len({each.month for each in found}) == 3
    assert await differences(world.ctx, operator, most=7) == []
    owed = sum(each.due_minor for each in found if each.number)
    assert (await ledger(world.ctx))["receivable"] == owed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update invoice_lines set minor = minor + 1", "minor of line 1 is 1001, and from the history 1000"),
        ("update invoices set net_minor = 5", "net_minor is 5, and from the history 1000"),
        ("delete from invoice_lines", "has 0 lines, and from the history 1"),
        ("update usage_periods set price_cents = 2000", "from the history 2000"),
        ("update ledger_entries set minor = minor * 2", "the ledger does not say what closing it posts"),
        ("update ledger_entries set minor = 7 where minor > 0", "sums to"),
        ("update invoice_counters set last = 2", "has 1 documents and counted 2"),
        ("update credits set minor = 100", "was used for 200"),
        ("update credits set minor = 300", "the credits sum to 100"),
    ],
)
async def test_whatever_is_wrong_in_the_books_is_found(world: World, operator: Actor, change: str, said: str) -> None:
    await grant_credit(world.ctx, operator, NewCredit("alice@example.com", 200, CreditKind.PREPAID, "in advance"))
    await billed(world, 1000)
    assert await differences(world.ctx, operator) == []
    await damage(world.ctx, change)
    assert any(said in difference for difference in await differences(world.ctx, operator))


async def test_what_is_posted_amid_a_check_does_not_stand_in_one_sum_alone(live_ctx: Context) -> None:
    operator = replace(await new_user(live_ctx, "olga@example.com"), is_operator=True)
    users, seen = select(func.count()).select_from(User), []

    async def look(tx: Tx) -> list[str]:
        seen.append((await tx.execute(users)).scalar())
        await asyncio.create_task(new_user(live_ctx, "late@example.com"), context=contextvars.Context())
        seen.append((await tx.execute(users)).scalar())
        return []

    assert (await check_some(live_ctx, operator, further=[look])).after is None
    assert seen == [1, 1]


async def test_the_books_are_checked_every_night_and_failures_told(world: World, operator: Actor) -> None:
    await billed(world, 1000)
    assert (await check_nightly(world.ctx), await check_nightly(world.ctx)) == (True, False)
    await damage(world.ctx, "update invoices set net_minor = 5")
    world.ctx.clock.advance(days=1)
    assert await check_nightly(world.ctx)
    assert (await kinds(world.ctx))[-1] == "billing.check_failed"
