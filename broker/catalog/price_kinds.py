"""What a plan costs, told apart by kind so that whoever shows a price has to think of every one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, assert_never

from broker.catalog.manifest_meters import is_priced, price_words
from broker.catalog.views import PlanView, price_text
from broker.kernel.money import exponent, rounded

HOURS_OF_A_MONTH: Final = Fraction(8760, 12)
"""On the average: what is charged is the share of the very month, by the second."""
_DIGITS_OF_AN_HOUR: Final = 3
"""Behind the point, at least: most plans cost less than a cent an hour."""


@dataclass(frozen=True, slots=True)
class Free:
    """Never costs anything."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """So much a month, in minor units of the currency."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Metered:
    """By usage alone; a sentence for each meter."""

    rates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FixedAndMetered:
    """Both."""

    minor: int
    currency: str
    rates: tuple[str, ...]


Price = Free | Fixed | Metered | FixedAndMetered


def price_of(plan: PlanView) -> Price:
    """The price of a plan."""
    rates = tuple(
        f"{meter.get('label') or meter['name']}: {price_words(meter, plan.currency)}"
        for meter in plan.meters
        if is_priced(meter)
    )
    if plan.price_cents == 0:
        return Metered(rates) if rates else Free()
    if rates:
        return FixedAndMetered(plan.price_cents, plan.currency, rates)
    return Fixed(plan.price_cents, plan.currency)


def monthly_words(price: Price) -> str:
    """`Free`, `$9/month`, `By usage`, `$9/month + usage`."""
    match price:
        case Free():
            return "Free"
        case Metered():
            return "By usage"
        case Fixed(minor, currency):
            return price_text(minor, currency)
        case FixedAndMetered(minor, currency):
            return price_text(minor, currency, metered=True)
        case _:
            assert_never(price)


def hourly_words(price: Price) -> str:
    """`about $0.012/hour`; nothing where no hour costs anything by itself."""
    match price:
        case Free() | Metered():
            return ""
        case Fixed(minor, currency) | FixedAndMetered(minor, currency):
            return f"about {_hourly(minor, currency)}"
        case _:
            assert_never(price)


def rates_of(price: Price) -> tuple[str, ...]:
    """What usage costs."""
    match price:
        case Free() | Fixed():
            return ()
        case Metered(rates) | FixedAndMetered(rates=rates):
            return rates
        case _:
            assert_never(price)


def _hourly(minor: int, currency: str) -> str:
    """To the first two digits that say something, and never less than three behind the point."""
    hour = Fraction(minor, 10 ** exponent(currency)) / HOURS_OF_A_MONTH
    digits = _DIGITS_OF_AN_HOUR
    while hour * 10**digits < 10 and digits < 6:
        digits += 1
    places = str(rounded(hour * 10**digits)).rjust(digits + 1, "0")
    amount = f"{places[:-digits]}.{places[-digits:]}"
    return f"${amount}/hour" if currency == "usd" else f"{amount} {currency.upper()}/hour"
