"""Rounding and sharing out."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.kernel.money import Money, quotient, rounded, share_out


@pytest.mark.parametrize(
    ("exact", "whole"),
    [(Fraction(5, 2), 3), (Fraction(-5, 2), -3), (Fraction(1, 2), 1), (Fraction(49, 100), 0), (7, 7)],
)
def test_halves_go_away_from_zero(exact: Fraction, whole: int) -> None:
    assert rounded(Fraction(exact)) == whole


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_both_ways_to_round_agree(dividend: int, divisor: int) -> None:
    assert quotient(dividend, divisor) == rounded(Fraction(dividend, divisor))


def test_a_hundred_in_three_equal_parts() -> None:
    assert share_out(100, [1, 1, 1]) == [34, 33, 33]


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_parts_sum_to_the_whole_and_none_is_off_by_one(amount: int, weights: list[int]) -> None:
    parts = share_out(amount, weights)
    assert sum(parts) == amount
    if total := sum(weights):
        assert all(
            abs(part - Fraction(amount * weight, total)) < 1 for part, weight in zip(parts, weights, strict=True)
        )


@pytest.mark.parametrize(
    ("money", "text"),
    [(Money(1234), "12.34 USD"), (Money(5), "0.05 USD"), (Money(-50), "-0.50 USD"), (Money(333, "jpy"), "333 JPY"),
     (Money(3000, "kwd"), "3.000 KWD")],
)  # fmt: skip
def test_amounts_have_the_digits_of_their_currency(money: Money, text: str) -> None:
    assert str(money) == text
