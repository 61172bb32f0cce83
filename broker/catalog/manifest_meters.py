"""The `meters` of a plan: what its usage is reported under, and what that costs. Reading and checking; pure.

What a price of usage comes to is the matter of billing, which reads the same members.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from broker.catalog.reading import Node, TextRule, json_complaint
from broker.kernel.money import exponent

KINDS: Final = ("counter", "cumulative", "maximum", "average", "last", "unique")
"""How the readings of a month become one quantity."""
MODELS: Final = ("unit", "package", "graduated", "volume")
"""How that quantity becomes an amount."""
ALLOWANCES: Final = ("prorate", "keep")
"""What becomes of included units when the plan is not held for the whole month."""

_MOST_METERS: Final = 20
_MOST_TIERS: Final = 20
_LARGEST_BYTES: Final = 64 * 1024
_NAME: Final = TextRule(63, re.compile(r"[a-z][a-z0-9_-]*"), "small letters, digits, - and _, beginning with a letter")
_LINE: Final = TextRule(100)
_DECIMAL: Final = re.compile(r"\d{1,15}(?:\.\d{1,12})?")


def read_meters(plan: Node) -> tuple[dict[str, Any], ...]:
    """The meters of a plan as they are declared; every fault is noted."""
    meters = plan.nodes("meters", _MOST_METERS)
    names = [meter.needed_text("name", _NAME, "add the name that usage is reported under.") for meter in meters]
    labels = [meter.text("label", _LINE) or name for meter, name in zip(meters, names, strict=True)]
    for key, words in (("name", names), ("label", labels)):
        for meter, word in zip(meters, words, strict=True):
            if word and words.count(word) > 1 and meter.has(key):
                meter.fault(key, f'"{word}" is the {key} of several meters: give each its own.')
    for meter in meters:
        _check(meter)
    if complaint := meters and json_complaint(plan.raw("meters"), _LARGEST_BYTES):
        plan.fault("meters", complaint)
    declared = cast("list[Any]", plan.raw("meters")) if meters else []
    return tuple(meter for meter in declared if isinstance(meter, dict))  # whatever else is there is a fault


def is_priced(meter: Mapping[str, Any]) -> bool:
    """Whether what it counts can cost something."""
    return bool(meter.get("unit_price") or meter.get("tiers"))


def price_words(meter: Mapping[str, Any], currency: str) -> str:
    """What a meter costs, as people read it: `0.0008 USD per mails, 100 included`."""
    if not is_priced(meter):
        return "costs nothing"
    unit = str(meter.get("unit") or "unit")
    if tiers := meter.get("tiers"):
        steps = "; ".join(_tier_words(tier, unit, currency) for tier in tiers)
        words = f"{meter['model']}: {steps}"
    elif meter.get("model") == "package":
        words = f"{_money(meter['unit_price'], currency)} for each begun {meter['package']} {unit}"
    else:
        words = f"{_money(meter['unit_price'], currency)} per {unit}"
    return f"{words}, {meter['included']} included" if meter.get("included") else words


def _tier_words(tier: Mapping[str, Any], unit: str, currency: str) -> str:
    limit = f"up to {tier['up_to']}" if tier.get("up_to") else "above"
    parts = [f"{_money(tier['unit_price'], currency)} per {unit}"] if tier.get("unit_price") else []
    parts += [f"{_money(tier['flat_price'], currency)} at once"] if tier.get("flat_price") else []
    return f"{limit} {' and '.join(parts) or 'nothing'}"


def _money(smallest: str | int, currency: str) -> str:
    """A price in the currency's smallest unit, in the currency itself, exactly."""
    amount = format(Decimal(str(smallest)).scaleb(-exponent(currency)), "f")
    return f"{amount} {currency.upper()}"


def _check(meter: Node) -> None:
    meter.text("unit", _LINE)
    _word(meter, "kind", KINDS)
    _word(meter, "allowance", ALLOWANCES)
    _amount(meter, "included")
    model = _word(meter, "model", MODELS)
    price, package = _amount(meter, "unit_price"), _amount(meter, "package")
    tiers = meter.nodes("tiers", _MOST_TIERS)
    if model in ("graduated", "volume"):
        _check_tiers(meter, tiers, model)
    elif meter.has("tiers"):
        meter.fault("tiers", "are for the models graduated and volume: set model to one of them, or use unit_price.")
    if model == "package" and not (price and package):
        meter.fault("package", "and unit_price are both needed: how many units a package has, and what one costs.")
    if model != "package" and meter.has("package"):
        meter.fault("package", "is for the model package: set model to it, or leave package out.")


def _check_tiers(meter: Node, tiers: list[Node], model: str) -> None:
    if not tiers and not meter.raw("tiers"):
        meter.fault("tiers", f"are missing: the model {model} needs at least one.")
    if meter.has("unit_price"):
        meter.fault("unit_price", f"is not for the model {model}: put a unit_price into each tier.")
    before = Decimal(0)
    for place, tier in enumerate(tiers):
        if not tier.has("unit_price") and not tier.has("flat_price"):
            tier.fault("unit_price", 'is missing: add what a unit costs in this tier, "0" if nothing.')
        _amount(tier, "unit_price")
        _amount(tier, "flat_price")
        limit = _amount(tier, "up_to")
        is_last = place == len(tiers) - 1
        if is_last and tier.has("up_to"):
            tier.fault("up_to", "is on the last tier, which has no end: leave it out, or add a tier.")
        elif not is_last and not tier.has("up_to"):
            tier.fault("up_to", "is missing: only the last tier has no end.")
        elif limit is not None and limit <= before:
            tier.fault("up_to", f"must be more than {before}, where this tier begins.")
        before = limit if limit is not None else before


def _word(node: Node, key: str, words: tuple[str, ...]) -> str:
    """One of these words; the first of them if none is given."""
    text = node.text(key, _LINE)
    if text is not None and text not in words:
        node.fault(key, f"must be one of {', '.join(words)}.")
    return text if text in words else words[0]


def _amount(node: Node, key: str) -> Decimal | None:
    """An exact number that is not negative: in quotes, or whole."""
    value = node.raw(key)
    if value is None:
        return None
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text) or not text.isascii():
        node.fault(
            key, 'must be a decimal in quotes, such as "0.0012", with at most 15 digits before the point and 12 after.'
        )
        return None
    return Decimal(text)
