"""A year in the life of some accounts, line by line; what it tells is docs/a-year-of-billing.md."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.handover import accept_app_transfer, agree_to_pay, stop_paying
from broker.addons.resolve import AddonKey
from broker.addons.scheduled_changes import schedule_plan_change
from broker.apps.payers import ask_payer
from broker.apps.transfers import offer_app
from broker.billing.credits import NewCredit, grant_credit
from broker.billing.pricing import CreditKind
from broker.kernel.context import Actor, Context
from broker.payments.refunds import refund_payment
from broker.payments.start import collect_account
from broker.payments.views import list_payments
from broker.payouts.balances import list_balances
from broker.payouts.draft import draft_payouts
from broker.payouts.move import approve_payouts, mark_paid
from broker.payouts.payouts import list_payouts
from tests.billing.oracle import half_away_from_zero
from tests.billing.year import Year, make_year, transcript
from tests.payments.fake import with_card

PAGE = Path(__file__).resolve().parents[2] / "docs" / "a-year-of-billing.md"
HEAD = """# A year of billing

A year of six accounts on a clock that stands still until it is told to move: real use cases on a real PostgreSQL, a provider
that always says yes, and a bank that declines some cards. `tests/billing/test_year.py` lives through it, compares every line of
every bill with what it must be, and this page with what was recorded.

- **alice** tries the starter plan for 14 days, moves up to team and, for the end of March, down again; adds a metered add-on. Her
  card is declined in May: her add-ons are suspended after 14 days and go on as soon as she has paid. In June she gives her app
  to bob.
- **bob** gets a half month of it, has a month's payment sent back after the store was paid out, and a credit in November.
- **dave** has an app for which **carol** pays for ten days.
- **erin** never pays.
- **paula** owns the store and gets 70 % of what was collected, ten days later.

"""


def at(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2027, month, day, hour, tzinfo=UTC)


def part(price: int, month: int, *spans: tuple[datetime, datetime]) -> int:
    """What a price comes to for parts of a month, written straightforwardly."""
    whole = (datetime(2027 + month // 12, month % 12 + 1, 1, tzinfo=UTC) - at(month, 1)).total_seconds()
    held = sum((end - start).total_seconds() for start, end in spans)
    return half_away_from_zero(Fraction(price) * Fraction(int(held), int(whole)))


async def first_half(year: Year) -> None:
    ctx, alice = year.ctx, await year.person("alice", "shop")
    await with_card(ctx, year.gateway, alice)
    await year.until(1, 6)
    await year.adds(alice, "shop", "store:starter", "main-store", accept_trial_end=True)
    await year.until(2, 10)
    await change_plan(ctx, alice, AddonKey("main-store"), "store:team")
    await year.settle()
    await year.until(3, 15)
    await schedule_plan_change(ctx, alice, AddonKey("main-store"), "store:starter")
    await year.until(4, 1)
    meter = await year.adds(alice, "shop", "store:payg", "meter-store")
    await year.until(4, 20)
    await year.uses(meter, 3000, "april")
    year.breaks(alice)
    await year.until(5, 20, 12)
    year.breaks(alice, again=True)
    await with_card(ctx, year.gateway, alice, "5555")
    async with ctx.database.transaction() as tx:  # what adding a payment method ends with
        assert await collect_account(tx, ctx, alice.id, actor=alice) == 1
    await year.settle()
    await year.until(6, 10)
    await year.uses(meter, 1500, "june of alice")
    await year.until(6, 16)
    bob = await year.person("bob")
    await with_card(ctx, year.gateway, bob)
    await offer_app(ctx, alice, "shop", bob.email)
    await accept_app_transfer(ctx, bob, "shop")
    await year.until(6, 20)
    await year.uses(meter, 2500, "june of bob")
    await second_half(year, bob)


async def second_half(year: Year, bob: Actor) -> None:
    ctx = year.ctx
    await year.until(7, 20)
    await pay_out(year, "bank 1")
    await year.until(7, 25)
    (june,) = await list_payments(ctx, bob)
    await refund_payment(ctx, year.olga, str(june.id), None, "The store was down for most of June.")
    await year.until(8, 1)
    dave, carol = await year.person("dave", "blog"), await year.person("carol")
    for payer in (dave, carol):
        await with_card(ctx, year.gateway, payer)
    await year.adds(dave, "blog", "store:team", "blog-store")
    await year.until(8, 11)
    await ask_payer(ctx, dave, "blog", carol.email)
    await agree_to_pay(ctx, carol, "blog")
    await year.until(8, 20)
    await pay_out(year, "bank 2")
    await year.until(8, 21)
    await stop_paying(ctx, carol, "blog")
    await year.until(9, 1)
    await destroy_addon(ctx, dave, AddonKey("blog-store"))
    erin = await year.person("erin", "shed")
    await with_card(ctx, year.gateway, erin)
    year.breaks(erin)
    await year.adds(erin, "shed", "store:team", "shed-store")
    await year.until(11, 5)
    await grant_credit(ctx, year.olga, NewCredit(bob.email, 700, CreditKind.PROMO, "For your patience"))
    await year.until(12, 10)
    await destroy_addon(ctx, bob, AddonKey("meter-store"))
    await year.until(13, 20)
    await pay_out(year, "bank 3")


async def pay_out(year: Year, reference: str) -> None:
    """The operators' way: draft, approve, transfer."""
    await draft_payouts(year.ctx, year.olga)
    for payout in await approve_payouts(year.ctx, year.olga):
        await mark_paid(year.ctx, year.olga, str(payout.id), reference)


@pytest.fixture
async def year(ctx: Context) -> Year:
    made = await make_year(ctx)
    await first_half(made)
    return made


@pytest.mark.timeout(400)
async def test_every_line_of_every_bill_is_what_it_must_be(year: Year) -> None:
    found = {
        (document.invoice.email.partition("@")[0], int(document.invoice.month[5:])): [
            (line.plan, line.mode, line.meter, line.minor) for line in document.lines if line.minor
        ]
        for document in await year.documents()
    }
    starter, payg, rows = ("starter", "paid", None), ("payg", "paid", None), ("payg", "paid", "rows")
    team = ("team", "paid", None)
    stopped, went_on = at(5, 18, 12), at(5, 20, 12)
    may = ((at(5, 1), stopped), (went_on, at(6, 1)))
    june = ((at(6, 1), at(6, 16)),)
    whole = [(*starter, 1000), (*payg, 500)]
    assert found == {
        ("alice", 1): [(*starter, part(1000, 1, (at(1, 20), at(2, 1))))],
        ("alice", 2): [
            (*starter, part(1000, 2, (at(2, 1), at(2, 10)))),
            (*team, part(3000, 2, (at(2, 10), at(3, 1)))),
        ],
        ("alice", 3): [(*team, 3000)],
        ("alice", 4): [(*starter, 1000), (*payg, 500), (*rows, (3000 - 1000) // 2)],
        ("alice", 5): [(*starter, part(1000, 5, *may)), (*payg, part(500, 5, *may))],
        ("alice", 6): [(*starter, part(1000, 6, *june)), (*payg, part(500, 6, *june)), (*rows, (1500 - 500) // 2)],
        ("bob", 6): [(*starter, 500), (*payg, 250), (*rows, (2500 - 500) // 2)],
        ("bob", 7): whole,
        ("bob", 8): whole,
        ("dave", 8): [(*team, 968 + 1065)],
        ("carol", 8): [(*team, 1935 - 968)],
        ("bob", 9): whole,
        ("erin", 9): [(*team, 3000)],
        ("bob", 10): whole,
        ("erin", 10): [(*team, part(3000, 10, (at(10, 1), at(10, 18, 12))))],
        ("bob", 11): whole,
        ("erin", 11): [],  # suspended until the end: a statement of nothing
        ("bob", 12): [(*starter, 1000), (*payg, part(500, 12, (at(12, 1), at(12, 10))))],
    }  # fmt: skip
    assert await year.differences() == []

    states = {
        (document.invoice.email[0], document.invoice.number): document.invoice.state
        for document in await year.documents()
    }
    assert {state for (who, number), state in states.items() if who != "e" and number} == {"paid"}
    assert "uncollectible" in {state for (who, _), state in states.items() if who == "e"}
    payouts = await list_payouts(year.ctx, year.paula, "store")
    assert sorted(payout.minor for payout in payouts) == [6925, 8850], "70 % of each line, less what went back to bob"
    (balance,) = await list_balances(year.ctx, year.paula, "store")
    assert balance.balance_minor == 0

    page = HEAD + await transcript(year)
    if not PAGE.exists() or PAGE.read_text() != page:
        written = PAGE.parents[1] / ".cache" / PAGE.name
        written.parent.mkdir(exist_ok=True)
        written.write_text(page)
        pytest.fail(f"{PAGE.name} tells of another year: compare it with {written}, and copy that if it is right")
