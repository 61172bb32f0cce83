"""Money: integer minor units with a currency. Rounding happens once, here, and so does the sharing out of an amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_EXPONENTS: Final = {
    **dict.fromkeys("bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf".split(), 0),
    **dict.fromkeys("bhd iqd jod kwd lyd omr tnd".split(), 3),
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents for usd)."""

    minor: int
    currency: str = "usd"

    def __str__(self) -> str:
        """`12.34 USD`, with as many digits as the currency has."""
        return f"{decimal(self.minor, self.currency)} {self.currency.upper()}"


def exponent(currency: str) -> int:
    """How many digits follow the point: 2 for nearly all, 0 for yen, 3 for some dinars. Source: ISO 4217."""
    return _EXPONENTS.get(currency, 2)


def decimal(minor: int, currency: str) -> str:
    """The amount as people write it, without its currency."""
    digits = exponent(currency)
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def rounded(amount: Fraction) -> int:
    """The nearest whole minor unit, halves away from zero, the same for credits as for charges."""
    return quotient(amount.numerator, amount.denominator)


def quotient(dividend: int, divisor: int) -> int:
    """The same rounding of a quotient of integers, `divisor` positive: what `rounded` does without making a fraction."""
    whole = (2 * abs(dividend) + divisor) // (2 * divisor)
    return whole if dividend >= 0 else -whole


def share_out(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to `weights` (not negative) so that the parts sum to the whole: by largest remainder.

    Equal remainders are served in order. All of it goes to the first if every weight is zero.
    """
    total = sum(weights)
    if not weights:
        return []
    if total == 0:
        return [amount] + [0] * (len(weights) - 1)
    sign, whole = (1 if amount >= 0 else -1), abs(amount)
    parts = [whole * weight // total for weight in weights]
    left = whole - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda index: -(whole * weights[index] % total))
    for index in by_remainder[:left]:
        parts[index] += 1
    return [sign * part for part in parts]
