"""The meters of plans: what may be declared, what each fault is told as, and that billing understands all of it."""

from fractions import Fraction
from typing import Any

import pytest

from broker.billing.history import meter_price
from broker.billing.prices import Allowance, MeterKind, Model, charge
from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import Manifest, parse
from broker.catalog.manifest_meters import ALLOWANCES, KINDS, MODELS, price_words
from broker.catalog.views import price_text
from tests.catalog.samples import cache_manifest, plans

METER = {"name": "rows", "unit_price": "1"}
TIERS = [{"up_to": 10, "unit_price": "2"}, {"unit_price": "1", "flat_price": 5}]


def with_meters(*meters: Any, **plan: Any) -> Manifest:
    declared = cache_manifest(plans=plans("a", meters=list(meters), **plan), capabilities=["usage"])
    return parse(declared)


def faults_of(*meters: Any) -> dict[str, str]:
    with pytest.raises(ManifestFaults) as refusal:
        with_meters(*meters)
    return {fault.path.removeprefix("/plans/0/meters"): fault.message for fault in refusal.value.faults}


def test_the_words_are_those_of_billing() -> None:
    assert set(KINDS) == set(MeterKind)
    assert set(MODELS) == set(Model)
    assert set(ALLOWANCES) == set(Allowance)


@pytest.mark.parametrize(
    ("meter", "path"),
    [
        ({}, "/0/name"),
        ({"name": "Rows"}, "/0/name"),
        (METER | {"label": ""}, "/0/label"),
        (METER | {"unit": 7}, "/0/unit"),
        (METER | {"kind": "sum"}, "/0/kind"),
        (METER | {"model": "tiered"}, "/0/model"),
        (METER | {"allowance": "reset"}, "/0/allowance"),
        (METER | {"included": "-1"}, "/0/included"),
        (METER | {"unit_price": 0.5}, "/0/unit_price"),
        (METER | {"unit_price": True}, "/0/unit_price"),
        (METER | {"unit_price": "1e3"}, "/0/unit_price"),
        (METER | {"unit_price": "٣"}, "/0/unit_price"),
        (METER | {"unit_price": "1." + "0" * 12 + "1"}, "/0/unit_price"),
        (METER | {"package": 10}, "/0/package"),
        (METER | {"model": "package"}, "/0/package"),
        (METER | {"model": "package", "package": 0}, "/0/package"),
        ({"name": "rows", "model": "package", "package": 10}, "/0/package"),
        (METER | {"tiers": TIERS}, "/0/tiers"),
        (METER | {"model": "volume", "tiers": TIERS}, "/0/unit_price"),
        ({"name": "rows", "model": "volume"}, "/0/tiers"),
        ({"name": "rows", "model": "graduated", "tiers": []}, "/0/tiers"),
        ({"name": "rows", "model": "graduated", "tiers": [{}]}, "/0/tiers/0/unit_price"),
        ({"name": "rows", "model": "graduated", "tiers": [TIERS[0]]}, "/0/tiers/0/up_to"),
        ({"name": "rows", "model": "graduated", "tiers": [TIERS[1], TIERS[1]]}, "/0/tiers/0/up_to"),
        ({"name": "rows", "model": "graduated", "tiers": [TIERS[0], TIERS[0], TIERS[1]]}, "/0/tiers/1/up_to"),
        ({"name": "rows", "model": "graduated", "tiers": 7}, "/0/tiers"),
    ],
)
def test_an_impossible_meter_is_refused_at_its_place(meter: object, path: str) -> None:
    assert list(faults_of(meter)) == [path]


def test_what_is_no_meter_is_a_fault_beside_those_that_are() -> None:
    assert list(faults_of(METER, None, "rows", [])) == ["/1", "/2", "/3"]


def test_meters_are_told_apart_by_name_and_label() -> None:
    assert "/1/name" in faults_of(METER, METER)
    assert "/1/label" in faults_of(METER, {"name": "rows2", "label": "rows"})
    assert with_meters(METER | {"label": "Rows"}, {"name": "rows2", "label": "More rows"}).plans[0].meters


@pytest.mark.parametrize(
    ("meter", "quantity", "cents"),
    [
        (METER, 7, 7),
        ({"name": "rows"}, 7, 0),
        ({"name": "rows", "unit_price": "0.000012"}, 1_000_000, 12),
        (METER | {"included": 5}, 7, 2),
        (METER | {"model": "package", "package": "1000"}, 1001, 2),
        ({"name": "rows", "model": "graduated", "tiers": TIERS}, 10, 20),
        ({"name": "rows", "model": "graduated", "tiers": TIERS}, 12, 27),
        ({"name": "rows", "model": "volume", "tiers": TIERS}, 12, 17),
        ({"name": "rows", "model": None, "kind": None, "tiers": None, "label": None, "allowance": None}, 7, 0),
    ],
)
def test_what_may_be_declared_can_be_billed(meter: dict[str, Any], quantity: int, cents: int) -> None:
    (declared,) = with_meters(meter).plans[0].meters
    assert charge(meter_price(declared), Fraction(quantity)) == cents


@pytest.mark.parametrize(
    ("meter", "words"),
    [
        ({"name": "rows"}, "costs nothing"),
        ({"name": "rows", "unit_price": "0.08", "unit": "row", "included": 100}, "0.0008 USD per row, 100 included"),
        ({"name": "r", "unit_price": 5, "model": "package", "package": 1000}, "0.05 USD for each begun 1000 unit"),
        (
            {"name": "rows", "model": "graduated", "tiers": TIERS},
            "graduated: up to 10 0.02 USD per unit; above 0.01 USD per unit and 0.05 USD at once",
        ),
    ],
)
def test_prices_of_usage_are_told_in_words(meter: dict[str, Any], words: str) -> None:
    assert price_words(meter, "usd") == words


def test_a_metered_plan_is_not_the_free_one() -> None:
    declared = [*plans("a", price_cents=0, meters=[METER]), *plans("b", price_cents=0, meters=[{"name": "rows"}])]
    manifest = parse(cache_manifest(plans=declared, capabilities=["usage"]))
    assert [(plan.slug, plan.is_free) for plan in manifest.plans if plan.is_default] == [("b", True)]


@pytest.mark.parametrize(
    ("cents", "currency", "metered", "text"),
    [
        (0, "usd", False, "free"),
        (0, "usd", True, "metered"),
        (900, "usd", True, "$9/month + usage"),
        (850, "usd", False, "$8.50/month"),
        (123456, "eur", False, "1,234.56 EUR/month"),
        (1250, "jpy", False, "1,250 JPY/month"),
        (1250, "kwd", False, "1.250 KWD/month"),
    ],
)
def test_prices_read_well(cents: int, currency: str, metered: bool, text: str) -> None:
    assert price_text(cents, currency, metered=metered) == text
