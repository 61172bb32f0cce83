"""A line of a statement in words: its inputs and its arithmetic, so that whoever pays can compute it again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from broker.billing.prices import MeterPrice, Model, allowed, charge, unit_price_text
from broker.billing.pricing import Line
from broker.billing.timeline import Mode
from broker.kernel.money import decimal

_TERMS = {
    Mode.PAID: "",
    Mode.TRIAL: " on trial, which costs nothing",
    Mode.SUSPENDED: " while suspended for want of payment",
    Mode.UNBILLED: " while suspended through no fault of yours, which is not billed",
    Mode.SANDBOX: " in the sandbox, which is never billed",
}


_NOBODYS: Final = UUID(int=0)
_inputs = attrgetter(*(each.name for each in fields(Line) if each.name != "resource"))


def explain(line: Line) -> Sequence[str]:
    """One sentence per step."""
    return _explained(*_inputs(line))


@lru_cache(maxsize=4096)
def _explained(*inputs: Any) -> Sequence[str]:
    """Kept, because most lines of a month are for all of it on one of a few plans."""
    line = Line(_NOBODYS, *inputs)
    told = [f"{line.price.service}:{line.price.plan}{_TERMS[line.mode]}, in {line.month}:"]
    told += [f"from {_time(start)} until {_time(end)}" for start, end in line.spans]
    told += _usage(line, line.meter) if line.meter else _fixed(line)
    for amount, what in ((line.discount_minor, "discount"), (line.promo_minor, "promotional credit")):
        if amount:
            told.append(f"less {what} of {_money(line, amount)}")
    if line.tax_minor:
        told.append(f"of which or to which tax: {_money(line, line.tax_minor)}")
    return told


def _fixed(line: Line) -> list[str]:
    monthly = _monthly(line)
    counted = min(line.seconds + line.topped_up_s, line.month.seconds)
    told = [f"{line.seconds} of the month's {line.month.seconds} seconds"]
    if line.topped_up_s:
        told.append(f"and {line.topped_up_s} seconds up to the plan's shortest time of {line.price.minimum_s}")
    sum_ = f"{_money(line, monthly)} a month × {counted} / {line.month.seconds} = {_exact(Fraction(monthly * counted, line.month.seconds), line)}"
    return [*told, f"{sum_}, rounded to {_money(line, line.minor)}"]


def _monthly(line: Line) -> int:
    if line.mode is Mode.TRIAL:
        return 0
    return line.price.suspended_minor if line.mode is Mode.SUSPENDED else line.price.monthly_minor


def _usage(line: Line, meter: MeterPrice) -> list[str]:
    share = Fraction(line.seconds, line.month.seconds)
    told = [f"{meter.label or meter.meter}: {number(line.quantity)} ({meter.kind})"]
    if meter.included:
        told.append(f"less {number(allowed(meter, share))} included")
    told.append(_rates(line, meter))
    return [*told, f"= {_exact(charge(meter, line.quantity, share), line)}, rounded to {_money(line, line.minor)}"]


def _rates(line: Line, meter: MeterPrice) -> str:
    currency = line.price.currency
    unit = f"{unit_price_text(meter.unit_minor, currency)} {currency.upper()}"
    if meter.model is Model.UNIT:
        return f"× {unit} each"
    if meter.model is Model.PACKAGE:
        return f"in begun packages of {number(meter.package)} at {unit} each"
    tiers = "; ".join(
        f"{'more' if tier.up_to is None else f'up to {number(tier.up_to)}'}:"
        f" {unit_price_text(tier.unit_minor, currency)} {currency.upper()} each"
        + (f" and {unit_price_text(tier.flat_minor, currency)} at once" if tier.flat_minor else "")
        for tier in meter.tiers
    )
    return f"{meter.model} over {tiers}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def number(value: Fraction) -> str:
    """An exact decimal where there is one, else a quotient."""
    return unit_price_text(value * 100, "usd")


def _exact(value: Fraction, line: Line) -> str:
    return f"{unit_price_text(value, line.price.currency)} {line.price.currency.upper()}"


def _money(line: Line, minor: int) -> str:
    return f"{decimal(minor, line.price.currency)} {line.price.currency.upper()}"
