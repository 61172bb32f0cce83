"""Amounts as people type them into a form."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from broker.kernel.errors import InvalidParams
from broker.kernel.money import exponent

_LONGEST: Final = 20


def minor_of(text: str, currency: str, field: str = "amount") -> int:
    """`12.50` as 1250. Units: minor units.

    Raises: InvalidParams, for what there is not in the currency, or is less than nothing.
    """
    typed = text.strip().removeprefix("$").replace(",", "")
    try:
        minor = Decimal(typed).scaleb(exponent(currency)) if len(typed) <= _LONGEST else Decimal("nan")
    except InvalidOperation:
        minor = Decimal("nan")
    if not minor.is_finite() or minor != minor.to_integral_value() or minor < 0:
        raise InvalidParams(f"{field}: must be an amount in {currency.upper()}, such as 50 or 12.50.")
    return int(minor)
