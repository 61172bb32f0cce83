"""The `plans` of a manifest: reading, checking and defaults. Pure; what a change of plans does is `plans.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, cast

from broker.catalog.manifest_meters import is_priced, read_meters
from broker.catalog.options import schema_complaint
from broker.catalog.reading import Node, TextRule, json_complaint

_MOST_PLANS: Final = 100
_MOST_FEATURES: Final = 40
_LONGEST_TRIAL_DAYS: Final = 366
_HIGHEST_PRICE_CENTS: Final = 100_000_000
_LARGEST_SCHEMA_BYTES: Final = 64 * 1024
SLUG: Final = TextRule(
    63,
    re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"),
    "lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
)
_LINE: Final = TextRule(100)
_DESCRIPTION: Final = TextRule(2000, lines=True)
_FEATURE: Final = TextRule(200)
_CURRENCY: Final = TextRule(3, re.compile(r"[a-z]{3}"), "an ISO 4217 code in small letters, such as usd")
_REGION: Final = TextRule(40)


class PlanState(StrEnum):
    """Who may install a plan. Existing add-ons keep theirs whatever its state."""

    PUBLIC = "public"
    HIDDEN = "hidden"
    INVITE = "invite"


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A plan as the manifest declares it. Units: `price_cents` is per month, in minor units of `currency`."""

    slug: str
    human_name: str
    description: str = ""
    price_cents: int = 0
    currency: str = "usd"
    is_default: bool = False
    state: PlanState = PlanState.PUBLIC
    features: tuple[tuple[str, str], ...] = ()
    """Label and value, in the order of the manifest."""
    regions: tuple[str, ...] = ()
    options_schema: dict[str, Any] | None = None
    meters: tuple[dict[str, Any], ...] = ()
    trial_days: int = 0
    suspended_cents: int = 0
    """What it costs per month while it is suspended for want of payment."""
    """For how long it costs nothing an account that has not had the service before."""

    @property
    def is_free(self) -> bool:
        """Whether it can never cost anything."""
        return self.price_cents == 0 and not any(map(is_priced, self.meters))


def read_plans(root: Node, service_regions: tuple[str, ...]) -> tuple[PlanSpec, ...]:
    """The plans in their order, exactly one of them the default. Without `plans` it is the free plan `test`."""
    if not root.has("plans"):
        return (PlanSpec("test", "Test", is_default=True, regions=service_regions),)
    nodes = root.nodes("plans", _MOST_PLANS)
    if root.raw("plans") == []:
        root.fault("plans", "is empty: add a plan, or leave `plans` out to have the free plan test.")
    specs = [_plan(node, service_regions) for node in nodes]
    _refuse_doubles(nodes, specs)
    return _with_default(nodes, specs)


def _plan(node: Node, service_regions: tuple[str, ...]) -> PlanSpec:
    slug = node.needed_text("name", SLUG, "add the slug that users will type after the colon, such as mini.")
    if not node.has("price_cents"):
        node.fault("price_cents", "is missing: add the monthly price in cents, 0 for a free plan.")
    return PlanSpec(
        slug=slug,
        human_name=node.text("human_name", _LINE) or slug.replace("-", " ").capitalize(),
        description=node.text("description", _DESCRIPTION) or "",
        price_cents=node.whole("price_cents", _HIGHEST_PRICE_CENTS) or 0,
        currency=node.text("currency", _CURRENCY) or "usd",
        is_default=node.flag("default") or False,
        state=_state(node),
        features=_features(node.node("features")),
        regions=_regions(node, service_regions),
        options_schema=_options_schema(node),
        meters=read_meters(node),
        trial_days=_trial_days(node),
        suspended_cents=_suspended_cents(node),
    )


def _suspended_cents(node: Node) -> int:
    cents = node.whole("suspended_price_cents", _HIGHEST_PRICE_CENTS) or 0
    price = node.raw("price_cents")
    if cents and isinstance(price, int) and cents > price:
        node.fault("suspended_price_cents", "is more than price_cents: what can't be used must not cost more.")
    return cents


def _trial_days(node: Node) -> int:
    days = node.whole("trial_days", _LONGEST_TRIAL_DAYS) or 0
    if days and not node.raw("price_cents") and not node.raw("meters"):
        node.fault("trial_days", "is on a free plan: leave it out, or give the plan a price.")
    return days


def _state(node: Node) -> PlanState:
    text = node.text("state", _LINE)
    if text is None or text in set(PlanState):
        return PlanState(text or PlanState.PUBLIC)
    node.fault("state", f"must be one of {', '.join(PlanState)}.")
    return PlanState.HIDDEN


def _features(node: Node | None) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    labels = node.keys()
    if len(labels) > _MOST_FEATURES:
        node.fault("", f"has {len(labels)} features: at most {_MOST_FEATURES} are possible.")
        return ()
    return tuple((label, text) for label in labels if (text := _feature(node, label)) is not None)


def _feature(node: Node, label: str) -> str | None:
    if complaint := _LINE.complaint(label):
        node.fault(label, f"as a label {complaint}")
        return None
    value = node.raw(label)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(node.whole(label, 2**53)) if isinstance(value, int) else node.text(label, _FEATURE)


def _regions(node: Node, service_regions: tuple[str, ...]) -> tuple[str, ...]:
    regions = node.texts("regions", _REGION, 20)
    for region in regions:
        if region not in service_regions and "*" not in service_regions:
            node.fault("regions", f'"{region}" is not among the regions of the service: add it to api.regions.')
    return regions or service_regions


def _options_schema(node: Node) -> dict[str, Any] | None:
    if node.node("options_schema") is None:
        return None
    schema = cast("dict[str, Any]", node.raw("options_schema"))
    if complaint := json_complaint(schema, _LARGEST_SCHEMA_BYTES):
        node.fault("options_schema", complaint)
    elif schema.get("type", "object") != "object":
        node.fault("options_schema", 'must describe an object: set its "type" to "object".')
    elif complaint := schema_complaint(schema):
        node.fault("options_schema", complaint)
    return schema


def _refuse_doubles(nodes: list[Node], specs: list[PlanSpec]) -> None:
    seen: set[str] = set()
    for node, spec in zip(nodes, specs, strict=True):
        if spec.slug in seen:
            node.fault("name", f'"{spec.slug}" is the name of an earlier plan: give each plan its own.')
        seen.add(spec.slug)
        seen.discard("")


def _with_default(nodes: list[Node], specs: list[PlanSpec]) -> tuple[PlanSpec, ...]:
    """Whoever asks for the service alone gets the marked plan, else the first free one, else the first."""
    marked = [place for place, spec in enumerate(specs) if spec.is_default]
    for place in marked[1:]:
        nodes[place].fault("default", "is set on an earlier plan as well: keep it on one of them.")
    for place in marked:
        if specs[place].state is not PlanState.PUBLIC:
            nodes[place].fault("default", "is set on a plan that is not public: set it on a public one.")
    public = [place for place, spec in enumerate(specs) if spec.state is PlanState.PUBLIC]
    free = [place for place in public if specs[place].is_free]
    chosen = next(iter((*marked, *free, *public)), None)
    return tuple(replace(spec, is_default=place == chosen) for place, spec in enumerate(specs))
