"""Amounts as people type them into a form."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from broker.kernel.errors import InvalidParams
from broker.kernel.money import exponent

_AMOUNT: Final = re.compile(r"[0-9]{1,13}(?:\.[0-9]{0,4})?")
"""No powers of ten: `1e999999` is short, and as a number has a million digits."""


def minor_of(text: str, currency: str, field: str = "amount") -> int:
    """`12.50` as 1250. Units: minor units.

    Raises: InvalidParams, for what there is not in the currency, or is less than nothing.
    """
    typed = text.strip().removeprefix("$").replace(",", "")
    minor = Decimal(typed).scaleb(exponent(currency)) if _AMOUNT.fullmatch(typed) else None
    if minor is None or minor != minor.to_integral_value():
        raise InvalidParams(f"{field}: must be an amount in {currency.upper()}, such as 50 or 12.50.")
    return int(minor)
