"""Discounts, credits, taxes and what is carried forward."""

from datetime import timedelta
from fractions import Fraction

import pytest

from broker.billing.explain import explain
from broker.billing.metering import Reading
from broker.billing.prices import MeterPrice
from broker.billing.pricing import Credit, CreditKind, Statement, Tax
from tests.billing.making import APRIL, LONG_AGO, bill, day, history, price, resource


def month_of(*prices: int, **terms: object) -> Statement:
    """The statement of add-ons that stood all the month."""
    each = [history((day(0), "activate", price(cents)), name=f"db-{index}") for index, cents in enumerate(prices)]
    return bill(*each, **terms)


def credit(
    minor: int, kind: CreditKind = CreditKind.PROMO, name: str = "credit", expires: float | None = None
) -> Credit:
    expires_at = None if expires is None else APRIL.end + timedelta(days=expires)
    return Credit(resource(name), kind, minor, LONG_AGO, expires_at)


def test_a_tax_is_rounded_once_and_shared_out() -> None:
    found = month_of(5, 5, 5, tax=Tax(Fraction(1, 10)))
    assert (found.tax_minor, [line.tax_minor for line in found.lines]) == (2, [1, 1, 0])


def test_a_tax_that_is_contained_does_not_change_what_is_paid() -> None:
    found = month_of(1190, tax=Tax(Fraction(19, 100), inclusive=True))
    assert (found.net_minor, found.tax_minor, found.total_minor) == (1000, 190, 1190)


def test_a_discount_of_everything_leaves_nothing_to_tax() -> None:
    found = month_of(300, 500, discount_bp=10_000, tax=Tax(Fraction(1, 5)))
    assert (found.total_minor, found.tax_minor, found.is_collected) == (0, 0, False)


def test_a_promotion_lowers_the_tax_and_prepaid_money_does_not() -> None:
    tax = Tax(Fraction(1, 5))
    promoted = month_of(1000, tax=tax, credits=(credit(500),))
    prepaid = month_of(1000, tax=tax, credits=(credit(500, CreditKind.PREPAID),))
    assert (promoted.tax_minor, promoted.due_minor) == (100, 600)
    assert (prepaid.tax_minor, prepaid.due_minor) == (200, 700)


def test_more_credit_than_is_owed_stays() -> None:
    found = month_of(300, credits=(credit(1000),))
    assert [(use.credit, use.minor) for use in found.used] == [(resource("credit"), 300)]
    assert found.due_minor == 0


def test_what_expires_first_is_used_first() -> None:
    late, soon, never = (
        credit(100, name="late", expires=9),
        credit(100, name="soon", expires=1),
        credit(100, name="never"),
    )
    found = month_of(250, credits=(never, late, soon))
    assert [(use.credit, use.minor) for use in found.used] == [
        (resource("soon"), 100), (resource("late"), 100), (resource("never"), 50)
    ]  # fmt: skip


@pytest.mark.parametrize(("expires", "due"), [(0, 300), (1 / 86_400, 200)])
def test_a_credit_is_void_at_the_instant_of_its_expiry(expires: float, due: int) -> None:
    assert month_of(300, credits=(credit(100, expires=expires),)).due_minor == due


def test_what_is_not_worth_collecting_is_carried_forward() -> None:
    first = month_of(49)
    assert not first.is_collected
    second = month_of(49, carried_minor=first.due_minor)
    assert (second.is_collected, second.due_minor) == (True, 98)


def test_lines_sum_to_the_statement() -> None:
    found = month_of(333, 1234, 77, discount_bp=1234, tax=Tax(Fraction(19, 100)), credits=(credit(100),))
    assert sum(line.net_minor for line in found.lines) == found.net_minor
    assert sum(line.tax_minor for line in found.lines) == found.tax_minor


def test_a_line_explains_itself() -> None:
    used = history((day(0), "activate", price(300)), (day(15), "end"))
    (line,) = bill(used).lines
    assert explain(line) == [
        "postgres:small, in 2026-04:",
        "from 2026-04-01T00:00:00Z until 2026-04-16T00:00:00Z",
        "1296000 of the month's 2592000 seconds",
        "3.00 USD a month × 1296000 / 2592000 = 1.5 USD, rounded to 1.50 USD",
    ]


def test_a_line_of_usage_explains_itself() -> None:
    meter = MeterPrice("messages", unit_minor=Fraction("0.0012"), included=Fraction(1000))
    reading = Reading("mail", "a", resource(), "messages", Fraction(1_234_567), day(1))
    _, line = bill(history((day(0), "activate", price(meters=(meter,)))), readings=[reading]).lines
    assert explain(line)[2:] == [
        "messages: 1234567 (counter)",
        "less 1000 included",
        "× 0.000012 USD each",
        "= 14.802804 USD, rounded to 14.80 USD",
    ]
