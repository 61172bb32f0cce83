"""What a month costs, computed a second time in the most straightforward way, second by second where that is shortest.

Shares no code with `broker.billing`: histories are plain tuples, time is whole seconds since the month began.
"""

from __future__ import annotations

import math
from fractions import Fraction

Span = tuple[int, int | None, str, str]
"""From (second of the month, may be negative), until (None: open), on which price, for which account."""


def half_away_from_zero(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2)) if value >= 0 else -math.floor(-value + Fraction(1, 2))


def fixed_cost(spans: list[Span], prices: dict[str, int], account: str, month_s: int, until: int) -> dict[str, int]:
    """What one account owes for one add-on, by price."""
    owed: dict[str, int] = {}
    for price, monthly in prices.items():
        elapsed, mine = 0, None
        for start, end, on, owner in sorted(spans):
            if on != price:
                continue
            begins, ends = max(start, 0), min(month_s if end is None else end, month_s, until)
            if ends <= begins:
                continue
            before = half_away_from_zero(Fraction(monthly) * elapsed / month_s)
            elapsed += ends - begins
            after = half_away_from_zero(Fraction(monthly) * elapsed / month_s)
            if owner == account:
                mine = (mine or 0) + after - before
        if mine is not None:
            owed[price] = mine
    return owed


def tiered_cost(model: str, tiers: list[tuple[int | None, Fraction]], units: int) -> Fraction:
    """Unit by unit."""
    if model == "volume":
        price = next(price for limit, price in tiers if limit is None or units <= limit)
        return units * price
    return sum(
        (next(price for limit, price in tiers if limit is None or unit <= limit) for unit in range(1, units + 1)),
        Fraction(0),
    )
