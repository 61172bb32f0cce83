"""Amounts of money as people write and read them, with as many digits as their currency has."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import click

from broker.cli.output import clean

_DIGITS: Final = {
    **dict.fromkeys("bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf".split(), 0),
    **dict.fromkeys("bhd iqd jod kwd lyd omr tnd".split(), 3),
}
_TYPED: Final = re.compile(r"[0-9]{1,12}(?:\.([0-9]+))?")
"""No signs, no powers of ten, no commas: `12,50` is twelve and a half to some and more than a thousand to others."""


def digits(currency: str) -> int:
    """How many digits follow the point."""
    return _DIGITS.get(currency, 2)


def money(minor: int, currency: str) -> str:
    """An amount of a currency's smallest unit as people write it: `12.34 USD`."""
    places = digits(currency)
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(places + 1, "0")
    amount = f"{text[:-places]}.{text[-places:]}" if places else text
    return f"{sign}{amount} {clean(currency).upper()}"


def minor(text: str, currency: str, hint: str = "AMOUNT") -> int:
    """An amount as people write it, in the currency's smallest unit.

    Raises: BadParameter, also for more digits than the currency has: nobody knows which way to round somebody's money.
    """
    typed, places = _TYPED.fullmatch(text.strip()), digits(currency)
    example = money(25 * 10**places, currency)
    if typed is None:
        raise click.BadParameter(
            f"{text!r} is no amount, such as {example}; write it without the code.", param_hint=hint
        )
    if len(typed[1] or "") > places:
        most = f"at most {places} digits after the point" if places else "no digits after the point"
        raise click.BadParameter(f"{text} is no amount of {currency.upper()}, which has {most}.", param_hint=hint)
    return int(Decimal(typed[0]).scaleb(places))
