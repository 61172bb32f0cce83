"""Readings, tiers, packages, allowances and corrections."""

from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.billing.metering import Reading, differences, in_force, quantity
from broker.billing.prices import Allowance, MeterKind, MeterPrice, Model, PriceKind, Tier, charge, unit_price_text
from tests.billing.making import ALICE, APRIL, BOB, bill, day, history, minors, price, resource


def reading(id: str, quantity: str, at: datetime | None = None, **more: str) -> Reading:
    return Reading("mail", id, resource(), "messages", Fraction(quantity), at or day(1), **more)


def metered(**fields: object) -> MeterPrice:
    return MeterPrice("messages", **fields)  # type: ignore[arg-type]


def test_the_whole_quantity_is_rounded_once() -> None:
    """A millionth of a cent each: rounded one by one it would be nothing."""
    plan = price(meters=(metered(unit_minor=Fraction("0.0012")),))
    each = [reading(str(number), "1234.567", day(1)) for number in range(1000)]
    assert minors(bill(history((day(0), "activate", plan)), readings=each)) == [0, 1481]


@pytest.mark.parametrize(
    ("units", "packages"), [("0", 0), ("1", 1), ("1000", 1), ("1000.000000000001", 2), ("1001", 2)]
)
def test_begun_packages_count(units: str, packages: int) -> None:
    price_of = metered(model=Model.PACKAGE, unit_minor=Fraction(100), package=Fraction(1000))
    assert charge(price_of, Fraction(units)) == 100 * packages


TIERS = (Tier(Fraction(10), Fraction(5)), Tier(Fraction(20), Fraction(3), Fraction(7)), Tier(None, Fraction(1)))


@pytest.mark.parametrize(
    ("units", "graduated", "volume"),
    [(0, 0, 0), (10, 50, 50), (11, 60, 40), (20, 87, 67), (21, 88, 21), (100, 167, 100)],
)
def test_tiers(units: int, graduated: int, volume: int) -> None:
    assert charge(metered(model=Model.GRADUATED, tiers=TIERS), Fraction(units)) == graduated
    assert charge(metered(model=Model.VOLUME, tiers=TIERS), Fraction(units)) == volume


@pytest.mark.parametrize(("allowance", "cents"), [(Allowance.PRORATE, 50), (Allowance.KEEP, 0)])
def test_what_is_included_shrinks_with_the_time_unless_it_is_kept(allowance: Allowance, cents: int) -> None:
    plan = price(meters=(metered(unit_minor=Fraction(1), included=Fraction(100), allowance=allowance),))
    used = history((day(0), "activate", plan), (day(15), "end"))
    assert minors(bill(used, readings=[reading("a", "100")])) == [0, cents]


@pytest.mark.parametrize(
    ("allowance", "ours", "theirs"),
    [(Allowance.KEEP, [0, 120 - 50], [0, 90 - 50]), (Allowance.PRORATE, [0, 120 - 60], [0, 90 - 40])],
)
def test_what_is_included_is_not_had_again_by_handing_it_over(
    allowance: Allowance, ours: list[int], theirs: list[int]
) -> None:
    """Kept whole, it goes to whoever uses it first: of 100, 50 and 50. By the time, each account has its part."""
    plan = price(meters=(metered(unit_minor=Fraction(1), included=Fraction(100), allowance=allowance),))
    used = history((day(0), "activate", plan), (day(9), "transfer", BOB), (day(21), "transfer", ALICE))
    reported = [reading("a", "50", day(1)), reading("b", "90", day(10)), reading("c", "70", day(22))]
    assert minors(bill(used, readings=reported)) == ours
    assert minors(bill(used, readings=reported, account=BOB)) == theirs


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (MeterKind.COUNTER, 14),
        (MeterKind.MAXIMUM, 8),
        (MeterKind.LAST, 2),
        (MeterKind.UNIQUE, 2),
        (MeterKind.AVERAGE, 4),
    ],
)
def test_kinds_of_meters(kind: MeterKind, shown: int) -> None:
    plan = price(meters=(metered(kind=kind, unit_minor=Fraction(1)),))
    each = [
        reading("a", "4", day(0), subject="x"), reading("b", "8", day(10), subject="y"), reading("c", "2", day(15), subject="x")
    ]  # fmt: skip
    # 4 for ten days, 8 for five, 2 for fifteen: 110 / 30, rounded once
    assert minors(bill(history((day(0), "activate", plan)), readings=each)) == [0, shown]


def test_the_order_of_arrival_does_not_matter() -> None:
    plan = price(meters=(metered(kind=MeterKind.AVERAGE, unit_minor=Fraction(10)),))
    each = [reading(str(number), str(number), day(number / 2)) for number in range(40)]
    shuffled = Random(1).sample(each, len(each))
    used = history((day(0), "activate", plan))
    assert bill(used, readings=each) == bill(used, readings=[*shuffled, *each])


def test_a_reading_counts_on_the_price_of_its_time_only() -> None:
    cheap, dear = metered(unit_minor=Fraction(1)), metered(unit_minor=Fraction(10))
    used = history(
        (day(1), "activate", price(meters=(cheap,))),
        (day(10), "plan", price(plan="large", meters=(dear,))),
        (day(20), "end"),
    )
    times = [day(0), day(1), day(9), day(10), day(20), day(25)]
    each = [reading(str(at), "1", at) for at in times]
    assert minors(bill(used, readings=each)) == [0, 2, 0, 10]


def test_usage_before_there_was_a_meter_costs_nothing() -> None:
    used = history(
        (day(0), "activate", price(0)), (day(10), "plan", price(1, meters=(metered(unit_minor=Fraction(1)),)))
    )
    assert minors(bill(used, readings=[reading("a", "1000", day(5))])) == [0, 1, 0]


def test_what_is_voided_does_not_count_unless_the_voiding_is_voided() -> None:
    first, void = reading("a", "5"), reading("b", "0", voids="a")
    assert in_force([first, void]) == []
    assert in_force([first, void, reading("c", "0", voids="b")]) == [first]
    assert in_force([first, void, reading("c", "0", voids="b"), reading("d", "0", voids="c")]) == []


def test_readings_that_void_one_another_end() -> None:
    assert len(in_force([reading("a", "1", voids="b"), reading("b", "1", voids="a"), reading("c", "1")])) == 1


def test_too_much_correction_is_nothing_and_no_credit() -> None:
    plan = price(meters=(metered(unit_minor=Fraction(100)),))
    each = [reading("a", "5"), reading("b", "-7")]
    assert minors(bill(history((day(0), "activate", plan)), readings=each)) == [0, 0]


def test_a_total_that_fell_began_anew() -> None:
    totals = [(day(hour / 24), Fraction(total)) for hour, total in enumerate([10, 15, 15, 3, 9])]
    assert [int(used) for _, used in differences(totals)] == [10, 5, 0, 3, 6]


def test_quantities_with_twelve_digits_and_huge_ones() -> None:
    plan = price(meters=(metered(unit_minor=Fraction(1, 10**6)),))
    each = [reading("a", "0.000000000001"), reading("b", "1000000000000000000")]
    assert minors(bill(history((day(0), "activate", plan)), readings=each)) == [0, 10**12]


def test_usage_while_suspended_is_not_billed() -> None:
    plan = price(meters=(metered(unit_minor=Fraction(1)),))
    used = [*history((day(0), "activate", plan), (day(10), "end"))]
    assert minors(bill(used, readings=[reading("a", "5", day(10) + timedelta(seconds=1))])) == [0, 0]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, PriceKind.FREE),
        ({"monthly": 5}, PriceKind.FIXED),
        ({"meters": (metered(),)}, PriceKind.FREE),
        ({"meters": (metered(unit_minor=Fraction(1)),)}, PriceKind.METERED),
        ({"monthly": 5, "meters": (metered(unit_minor=Fraction(1)),)}, PriceKind.FIXED_AND_METERED),
        ({"contract": True}, PriceKind.CONTRACT),
    ],
)
def test_a_price_says_what_it_is_made_of(fields: dict[str, object], kind: PriceKind) -> None:
    assert price(**fields).kind is kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(Fraction("0.0012"), "usd", "0.000012"), (Fraction(150), "usd", "1.5"), (Fraction(3), "jpy", "3"), (Fraction(1, 3), "usd", "1/300")],
)  # fmt: skip
def test_unit_prices_are_shown_exactly(minor: Fraction, currency: str, text: str) -> None:
    assert unit_price_text(minor, currency) == text


@given(st.lists(st.tuples(st.integers(0, 30 * 24 - 1), st.integers(0, 50), st.booleans()), max_size=12), st.randoms())
def test_running_totals_come_to_what_was_added_whatever_began_again(
    steps: list[tuple[int, int, bool]], order: Random
) -> None:
    """Hours, what was added in each, and whether the counter had begun again before."""
    total, added, readings = 0, 0, []
    for number, (hour, more, again) in enumerate(sorted(steps, key=lambda step: step[0])):
        before, total = total, (0 if again else total) + more
        added += total - before if total >= before else total
        readings.append(reading(f"{number:02}", str(total), day(hour / 24)))
    order.shuffle(readings)
    found = quantity(MeterKind.CUMULATIVE, in_force(readings), [(day(0), day(30))], APRIL.seconds)
    assert found == added


def test_other_currencies_have_statements_of_their_own() -> None:
    dollars, euros = price(300), price(700, currency="eur")
    both = history((day(0), "activate", dollars), (day(15), "plan", euros))
    assert [minors(bill(both, currency=currency)) for currency in ("usd", "eur", "gbp")] == [[150], [350], []]
