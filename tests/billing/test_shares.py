"""Whose what is collected is: the golden values, and what holds of whatever comes in and goes back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.billing.shares import Agreed, Share, Sold, oldest_first, partner_part, share_during, share_of, spread
from broker.kernel.ids import new_id

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("net", "partner", "platform"), [(101, 70, 31), (1, 0, 1), (999, 699, 300), (0, 0, 0)])
def test_what_does_not_divide_is_the_platforms(net: int, partner: int, platform: int) -> None:
    assert (partner_part(net, 7000), net - partner_part(net, 7000)) == (partner, platform)
    assert share_of(sold(net), net) == Share(net, 0, net, partner)


def sold(minor: int, tax: int = 0, promo: int = 0, share_bp: Fraction = Fraction(7000)) -> Sold:
    return Sold(new_id(), "store", minor, tax, promo, share_bp)


def test_tax_is_nobodys_share_and_a_promotion_is_at_the_cost_of_the_platform() -> None:
    assert share_of(sold(1190, 190), 1190) == Share(1190, 190, 1000, 700)
    assert share_of(sold(1190, 190), 595) == Share(595, 95, 500, 350)
    assert share_of(sold(700, promo=300), 700) == Share(700, 0, 1000, 700)
    assert share_of(sold(0, promo=1000), 0) == Share(0, 0, 1000, 700)
    assert share_of(sold(700, promo=300), 0) == Share()


def test_the_oldest_bill_is_paid_first_then_lines_by_largest_remainder() -> None:
    old, new = [sold(30), sold(10)], [sold(100), sold(100), sold(100)]
    nothing = [[0, 0], [0, 0, 0]]
    assert spread([old, new], nothing, 20) == [[15, 5], [0, 0, 0]]
    assert spread([old, new], nothing, 140) == [[30, 10], [34, 33, 33]]
    assert oldest_first([30, 100, 70], 120) == ([30, 90, 0], 0)
    assert oldest_first([30], 50) == ([30], 20)


def test_what_was_paid_for_a_line_that_is_taken_back_pays_the_others() -> None:
    lines = [replace(sold(100), taken_minor=100), sold(100)]
    assert spread([lines], [[50, 50]], 100) == [[0, 100]]
    assert spread([lines], [[50, 50]], 30) == [[0, 30]]


def test_each_second_is_shared_as_it_was_agreed_for_it() -> None:
    hour = timedelta(hours=1)
    agreed = [Agreed(NOON - hour, 6000), Agreed(NOON + hour, 1), Agreed(NOON + hour, 9000), Agreed(NOON + 9 * hour, 0)]
    assert share_during([(NOON, NOON + 4 * hour)], agreed, 7000) == Fraction(6000 + 3 * 9000, 4)
    assert share_during([(NOON - 2 * hour, NOON), (NOON + hour, NOON + 2 * hour)], agreed, 7000) == Fraction(22000, 3)
    assert share_during([(NOON, NOON + hour)], [], 7000) == 7000
    assert share_during([], agreed, 7000) == 7000
    # The change takes effect at the instant, not a second before.
    assert share_during([(NOON, NOON + hour)], agreed, 7000) == 6000


shares_bp = st.one_of(st.sampled_from([Fraction(7000), Fraction(0), Fraction(10_000)]), st.fractions(0, 10_000))


@st.composite
def lines(draw: st.DrawFn) -> Sold:
    net = draw(st.integers(0, 5000))
    tax = draw(st.integers(0, net))
    promo = draw(st.one_of(st.just(0), st.integers(0, 5000)))
    return Sold(UUID(int=draw(st.integers(1, 10**9))), "store", net + tax, tax, promo, draw(shares_bp))


bills = st.lists(st.lists(lines(), max_size=5), min_size=1, max_size=3)


class Books:
    """What is recorded of some bills while money comes and goes."""

    def __init__(self, bills: list[list[Sold]]) -> None:
        self.bills = bills
        self.minors = [[0] * len(bill) for bill in bills]
        self.collected = 0

    @property
    def left(self) -> int:
        return sum(line.left_minor for bill in self.bills for line in bill)

    def settle(self, collected: int) -> None:
        self.collected = collected
        self.minors = spread(self.bills, self.minors, collected)

    def take_back(self, bill: int, line: int, part: Fraction) -> None:
        """A credit note about a part of a line; what is too much then is paid back."""
        old = self.bills[bill][line]
        minor = int(old.left_minor * part)
        tax = int((old.tax_minor - old.taken_tax_minor) * Fraction(minor, old.left_minor or 1))
        taken = replace(old, taken_minor=old.taken_minor + minor, taken_tax_minor=old.taken_tax_minor + tax)
        self.bills = [
            [taken if (bill, line) == (b, n) else each for n, each in enumerate(every)]
            for b, every in enumerate(self.bills)
        ]
        self.settle(min(self.collected, self.left))

    def check(self) -> None:
        pairs = [
            (line, minor)
            for lines, minors in zip(self.bills, self.minors, strict=True)
            for line, minor in zip(lines, minors, strict=True)
        ]
        assert sum(minor for _, minor in pairs) == self.collected
        for line, minor in pairs:
            share = share_of(line, minor)
            assert 0 <= minor <= line.left_minor
            assert 0 <= share.tax_minor <= line.tax_minor
            assert 0 <= share.share_minor <= share.base_minor <= line.minor - line.tax_minor + line.promo_minor
            # Gross = partner + platform + tax, but for what the platform itself gives.
            given = share.base_minor + share.tax_minor - minor
            assert 0 <= given <= line.promo_minor


@given(bills, st.lists(st.fractions(0, 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_parts_come_in_line_by_line_and_sum_to_the_whole(drawn: list[list[Sold]], parts: list[Fraction]) -> None:
    books = Books(drawn)
    for part in [*parts, Fraction(1)]:
        before = [list(each) for each in books.minors]
        books.settle(books.collected + int((books.left - books.collected) * part))
        books.check()
        # Nothing that was collected of a line is taken away again, nor the share of it.
        for lines, then, now in zip(books.bills, before, books.minors, strict=True):
            for line, old, new in zip(lines, then, now, strict=True):
                assert old <= new
                assert share_of(line, old).share_minor <= share_of(line, new).share_minor
    assert books.minors == [[line.minor for line in bill] for bill in drawn]
    paid = [share_of(line, line.minor) for bill in drawn for line in bill]
    assert [each.base_minor for each in paid] == [
        line.minor - line.tax_minor + line.promo_minor for bill in drawn for line in bill
    ]


@given(
    bills,
    st.lists(st.tuples(st.booleans(), st.integers(0, 99), st.integers(0, 99), st.fractions(0, 1)), max_size=8),
)
@settings(deadline=None)
def test_whatever_comes_in_and_goes_back_the_sums_hold(
    drawn: list[list[Sold]], events: list[tuple[bool, int, int, Fraction]]
) -> None:
    books = Books(drawn)
    for comes_in, bill, line, part in events:
        if comes_in:
            books.settle(books.collected + int((books.left - books.collected) * part))
        elif lines := books.bills[bill % len(books.bills)]:
            books.take_back(bill % len(books.bills), line % len(lines), part)
        books.check()
    # All of it taken back: nothing is left to anybody but what the platform gave of its own accord.
    for b, every in enumerate(books.bills):
        for n in range(len(every)):
            books.take_back(b, n, Fraction(1))
    assert books.collected == 0
    for line in (line for bill in books.bills for line in bill if line.minor):
        assert share_of(line, 0) == Share()


@given(lines(), st.integers(0, 10**6))
@settings(deadline=None)
def test_a_share_depends_on_what_is_collected_and_not_on_the_way_there(line: Sold, seed: int) -> None:
    steps = sorted({seed * factor % (line.minor + 1) for factor in (1, 3, 7, 31)} | {line.minor})
    so_far = Share()
    for step in steps:
        more = share_of(line, step) + -so_far
        so_far = so_far + more
    assert so_far == share_of(line, line.minor)
