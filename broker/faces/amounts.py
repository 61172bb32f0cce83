"""Amounts as people type them into a form."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from broker.kernel.errors import InvalidParams
from broker.kernel.money import decimal, exponent

_AMOUNT: Final = re.compile(r"(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]{0,4})?")
"""No powers of ten: `1e999999` is short, and as a number has a million digits. Commas are between thousands only: to many
people `12,50` is twelve and a half, and must not become more than a thousand.
"""


def minor_of(text: str, currency: str, field: str = "amount") -> int:
    """`12.50` as 1250. Units: minor units.

    Raises: InvalidParams, for what there is not in the currency, or is less than nothing.
    """
    typed, places = text.strip().removeprefix("$"), exponent(currency)
    minor = Decimal(typed.replace(",", "")).scaleb(places) if _AMOUNT.fullmatch(typed) else None
    if minor is None or minor != minor.to_integral_value():
        most = f" with at most {places} digits after the point" if places else " without a point"
        example = decimal(125 * 10**places // 10, currency)
        raise InvalidParams(f"{field}: must be an amount in {currency.upper()}{most}, such as {example}.")
    return int(minor)
