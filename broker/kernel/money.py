"""Money: integer minor units with a currency. Rounding happens once, here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents for usd)."""

    minor: int
    currency: str = "usd"


def rounded(amount: Fraction) -> int:
    """The nearest whole minor unit, halves away from zero, the same for credits as for charges."""
    whole = (abs(amount) * 2 + 1) // 2
    return int(whole if amount >= 0 else -whole)
