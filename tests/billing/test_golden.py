"""Golden values of fixed prices: what a month costs, whatever happened in it."""

from datetime import timedelta

import pytest

from broker.billing.months import month_at
from broker.billing.timeline import Mode, Segment
from tests.billing.making import ALICE, APRIL, BOB, bill, day, history, minors, price


@pytest.mark.parametrize(
    ("monthly", "days", "year", "month", "cents"),
    [
        (300, 15, 2026, 4, 150),
        (300, 15, 2026, 1, 145),
        (300, 15, 2024, 2, 155),
        (300, 15, 2025, 2, 161),
        (300, 15, 2100, 2, 161),
        (300, 15, 2000, 2, 155),
        (5000, 1 / 24, 2026, 4, 7),
        (5000, 1 / 24, 2026, 1, 7),
        (50000, 1 / 86_400, 2026, 4, 0),
        (5, 15, 2026, 4, 3),
        (1000, 10, 2026, 4, 333),
    ],
)
def test_part_of_a_month(monthly: int, days: float, year: int, month: int, cents: int) -> None:
    found = month_at(year, month)
    used = history((found.start, "activate", price(monthly)), (found.start + timedelta(days=days), "end"))
    assert minors(bill(used, month=found)) == [cents]


def test_three_digits_of_a_dinar_for_a_whole_month() -> None:
    found = bill(history((day(-3), "activate", price(3000, currency="kwd"))), currency="kwd")
    assert (minors(found), found.currency) == ([3000], "kwd")


def test_ten_days_on_one_plan_and_twenty_on_another() -> None:
    used = history((day(0), "activate", price(900)), (day(10), "plan", price(2900, "large")))
    found = bill(used)
    assert (minors(found), found.total_minor) == ([300, 1933], 2233)


def test_three_times_ten_days_are_one_month() -> None:
    back_and_forth = history(
        (day(0), "activate", price(100)),
        (day(10), "mode", Mode.UNBILLED),
        (day(10), "mode", Mode.PAID),
        (day(20), "transfer", ALICE),
    )
    assert minors(bill(back_and_forth)) == [100]


def test_a_price_that_comes_back_is_one_line() -> None:
    used = history(
        (day(0), "activate", price(100)), (day(10), "plan", price(500, "large")), (day(20), "plan", price(100))
    )
    assert minors(bill(used)) == [67, 167]


def test_parts_of_different_accounts_sum_to_the_whole() -> None:
    used = history(
        (day(0), "activate", price(100)),
        (day(1), "transfer", BOB),
        (day(8), "transfer", ALICE),
        (day(21), "transfer", BOB),
    )
    ours, theirs = bill(used), bill(used, account=BOB)
    assert (minors(ours), minors(theirs)) == ([3 + 43], [24 + 30])


def test_the_first_instant_belongs_to_the_month_and_the_last_to_the_next() -> None:
    whole = history((day(0), "activate", price(300)), (day(30), "end"))
    assert minors(bill(whole)) == [300]
    may = month_at(2026, 5)
    assert bill(whole, month=may).lines == ()
    assert bill(history((day(30), "activate", price(300)))).lines == ()
    assert minors(bill(history((day(30), "activate", price(300))), month=may)) == [300]


def test_an_addon_over_three_months_costs_its_price_in_the_middle_one() -> None:
    used = history((day(-10), "activate", price(300)), (day(45), "end"))
    costs = [minors(bill(used, month=month_at(2026, month))) for month in (3, 4, 5)]
    assert costs == [[97], [300], [145]]


def test_what_never_became_ready_costs_nothing() -> None:
    assert bill(history()).lines == ()
    assert bill(history((day(3), "end"))).lines == ()


def test_three_changes_in_a_second_leave_the_last_one() -> None:
    used = history(
        (day(0), "activate", price(100)),
        (day(0), "plan", price(500, "large")),
        (day(0), "plan", price(900, "huge")),
    )
    assert [(line.price.plan, line.minor) for line in bill(used).lines] == [("huge", 900)]


def test_a_change_and_the_end_in_the_same_second_are_the_end() -> None:
    used = history((day(0), "activate", price(300)), (day(15), "plan", price(900, "large")), (day(15), "end"))
    found = bill(used)
    assert minors(found) == [150]
    assert used[-1].last


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    used = history((day(10), "activate", price(300)), (day(5), "plan", price(900, "large")), (day(20), "end"))
    assert [(line.price.plan, line.minor) for line in bill(used).lines] == [("large", 300)]


def minimum(*changes: tuple[object, ...]) -> list[Segment]:
    return history(*changes)


@pytest.mark.parametrize(("minutes", "seconds"), [(4, 240), (5, 3600), (30, 3600), (60, 3600), (90, 5400)])
def test_a_shortest_time_counts_unless_it_was_a_slip(minutes: int, seconds: int) -> None:
    plan = price(2_592_000, minimum_s=3600)
    used = history((day(1), "activate", plan), (day(1) + timedelta(minutes=minutes), "end"))
    assert minors(bill(used)) == [seconds]


def test_a_shortest_time_is_charged_once_per_activation_and_on_the_last_plan() -> None:
    small, large = price(2_592_000, minimum_s=3600), price(2 * 2_592_000, "large", minimum_s=3600)
    used = history(
        (day(1), "activate", small),
        (day(1) + timedelta(minutes=10), "plan", large),
        (day(1) + timedelta(minutes=20), "end"),
    )
    assert minors(bill(used)) == [600, 2 * (600 + 2400)]


def test_a_shortest_time_never_makes_a_month_longer() -> None:
    plan = price(1000, minimum_s=100 * 86_400)
    assert minors(bill(history((day(0), "activate", plan), (day(29), "end")))) == [1000]


@pytest.mark.parametrize(("least", "cents"), [(0, 10 * 100), (3600, 10 * 3600)])
def test_made_anew_ten_times_in_an_hour(least: int, cents: int) -> None:
    plan = price(2_592_000, minimum_s=least, oops_s=60)
    begins = [day(1) + timedelta(seconds=360 * n) for n in range(10)]
    used = [history((at, "activate", plan), (at + timedelta(seconds=100), "end"), name=f"db-{at}") for at in begins]
    assert bill(*used).total_minor == cents


def test_a_trial_costs_nothing_and_then_the_price() -> None:
    used = history((day(0), "activate", price(300), Mode.TRIAL), (day(15), "mode", Mode.PAID))
    assert [(line.mode, line.minor) for line in bill(used).lines] == [(Mode.TRIAL, 0), (Mode.PAID, 150)]


def test_a_suspension_costs_its_own_price_or_nothing() -> None:
    plan = price(300, suspended_minor=30)
    used = history((day(0), "activate", plan), (day(10), "mode", Mode.SUSPENDED), (day(20), "mode", Mode.UNBILLED))
    assert minors(bill(used)) == [100, 10]


def test_the_sandbox_never_reaches_a_statement() -> None:
    used = history((day(0), "activate", price(300), Mode.SANDBOX))
    assert bill(used).lines == ()


def test_what_is_claimed_from_the_sandbox_is_billed_from_then_on() -> None:
    used = history((day(0), "activate", price(300), Mode.SANDBOX), (day(15), "mode", Mode.PAID))
    assert minors(bill(used)) == [150]


def test_a_free_plan_is_seen_and_costs_nothing() -> None:
    found = bill(history((day(0), "activate", price(0))))
    assert (minors(found), found.total_minor, found.is_collected) == ([0], 0, False)


def test_a_preview_is_what_the_close_says_once_nothing_changes_any_more() -> None:
    used = history((day(2), "activate", price(900)), (day(12), "plan", price(2900, "large")), (day(20), "end"))
    assert bill(used, at=day(20)) == bill(used, at=APRIL.end + timedelta(days=9))


def test_a_preview_goes_as_far_as_now() -> None:
    assert minors(bill(history((day(0), "activate", price(300))), at=day(10))) == [100]
