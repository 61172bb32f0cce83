"""What a plan costs: immutable versions of prices, fixed per month and by the unit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final
from uuid import UUID

from broker.kernel.money import exponent

_POWERS: Final = tuple(10**digits for digits in range(31))


class PriceKind(StrEnum):
    """What a price is made of. A renderer must know every one of them."""

    FREE = "free"
    FIXED = "fixed"
    METERED = "metered"
    FIXED_AND_METERED = "fixed+metered"
    CONTRACT = "contract"


class MeterKind(StrEnum):
    """How the readings of a meter become one quantity for a month."""

    COUNTER = "counter"
    """Their sum."""
    CUMULATIVE = "cumulative"
    """What was added to running totals, which may begin again from nothing."""
    MAXIMUM = "maximum"
    """The highest reading."""
    AVERAGE = "average"
    """Readings weighted by the time for which they stood."""
    LAST = "last"
    """The newest reading."""
    UNIQUE = "unique"
    """How many different things were named."""


class Model(StrEnum):
    """How a quantity becomes an amount."""

    UNIT = "unit"
    PACKAGE = "package"
    """Begun packages count."""
    GRADUATED = "graduated"
    """Each unit at the price of the tier that it falls into."""
    VOLUME = "volume"
    """All units at the price of the tier that the whole falls into."""


class Allowance(StrEnum):
    """What becomes of the included units of a plan that was not held for the whole month."""

    PRORATE = "prorate"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to and with `up_to` units (None: without end). Units: minor units per unit, and once for entering the tier."""

    up_to: Fraction | None
    unit_minor: Fraction
    flat_minor: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class MeterPrice:
    """The price of what one meter counts. Units: minor units, exact; `included` in units of the meter."""

    meter: str
    kind: MeterKind = MeterKind.COUNTER
    model: Model = Model.UNIT
    unit_minor: Fraction = Fraction(0)
    package: Fraction = Fraction(1)
    tiers: tuple[Tier, ...] = ()
    included: Fraction = Fraction(0)
    allowance: Allowance = Allowance.PRORATE
    label: str = ""
    unit: str = ""
    """What it counts, in words."""

    @property
    def is_priced(self) -> bool:
        """Whether it costs anything; others are counted and shown."""
        return bool(self.unit_minor or self.tiers)


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """One version of a plan's price. Never changed: another price is another version. Units: minor units per month."""

    id: UUID
    service: str
    plan: str
    currency: str
    monthly_minor: int = 0
    meters: tuple[MeterPrice, ...] = ()
    contract: bool = False
    minimum_s: int = 0
    """The shortest time that an activation is charged for."""
    oops_s: int = 300
    """Whoever removes it within this time is spared the minimum."""
    suspended_minor: int = 0
    """The price per month while it is suspended for want of payment."""
    share_bp: int = 7000
    """The partner's share, in hundredths of a percent."""

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def kind(self) -> PriceKind:
        """What it is made of."""
        if self.contract:
            return PriceKind.CONTRACT
        if any(meter.is_priced for meter in self.meters):
            return PriceKind.FIXED_AND_METERED if self.monthly_minor else PriceKind.METERED
        return PriceKind.FIXED if self.monthly_minor else PriceKind.FREE


def charge(price: MeterPrice, quantity: Fraction, share: Fraction = Fraction(1)) -> Fraction:
    """What a month's quantity costs, exactly. `share` is the part of the month for which the price was held.

    Units: minor units, not rounded: that happens once, per line.
    """
    billable = max(quantity - allowed(price, share), Fraction(0))
    if price.model is Model.UNIT:
        return billable * price.unit_minor
    if price.model is Model.PACKAGE:
        return -(-billable // price.package) * price.unit_minor
    if price.model is Model.VOLUME:
        tier = _tier_of(price.tiers, billable)
        return billable * tier.unit_minor + tier.flat_minor if billable else Fraction(0)
    return _graduated(price.tiers, billable)


def allowed(price: MeterPrice, share: Fraction) -> Fraction:
    """The units that cost nothing."""
    return price.included * share if price.allowance is Allowance.PRORATE else price.included


def _tier_of(tiers: Sequence[Tier], quantity: Fraction) -> Tier:
    return next(tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to)


def _graduated(tiers: Sequence[Tier], quantity: Fraction) -> Fraction:
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        if quantity <= below:
            break
        within = quantity if tier.up_to is None else min(quantity, tier.up_to)
        total += (within - below) * tier.unit_minor + tier.flat_minor
        below = within
    return total


def unit_price_text(unit_minor: Fraction, currency: str) -> str:
    """A unit price as an exact decimal of the main unit where it has one: `0.000012`."""
    value = unit_minor / 10 ** exponent(currency)
    for digits, power in enumerate(_POWERS):
        if power % value.denominator == 0:
            text = f"{abs(value.numerator) * (power // value.denominator):0{digits + 1}}"
            sign = "-" if value < 0 else ""
            return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"
    return str(value)
