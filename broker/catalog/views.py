"""What the rest of the house sees of services and plans: frozen values, built from rows inside the transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from broker.catalog.manifest import ATTACHABLE, MANY_PER_APP, Listing
from broker.catalog.manifest_meters import is_priced
from broker.catalog.manifest_plans import PlanState
from broker.catalog.models import AddonService, Plan
from broker.catalog.reliability import Reliability, of_stored
from broker.kernel.money import decimal

ALPHA: Final = "alpha"
BETA: Final = "beta"
GA: Final = "ga"
SUNSET: Final = "sunset"
SHUTDOWN: Final = "shutdown"
INSTALLABLE_STATES: Final = (BETA, GA)
"""States of a service in which everybody sees and installs it. `alpha` is for those who are let in; `sunset` is for
those who have it, until a day that they are told; `shutdown` for nobody.
"""


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A service as far as installing and attaching need it."""

    id: UUID
    slug: str
    name: str
    state: str
    prefix: str
    config_vars: tuple[str, ...]
    requires: tuple[str, ...]

    @property
    def supports_multiple_installations(self) -> bool:
        return MANY_PER_APP in self.requires

    @property
    def supports_sharing(self) -> bool:
        return ATTACHABLE in self.requires


@dataclass(frozen=True, slots=True)
class ServiceView(ServiceRef):
    """A service with everything that is public about it."""

    cli_plugin_name: str | None
    capabilities: tuple[str, ...]
    regions: tuple[str, ...]
    listing: Listing
    revision: int
    created_at: datetime
    updated_at: datetime
    sunset_at: datetime | None = None
    """When it ends for those who have it, if that is announced."""
    successor: str | None = None
    """What to move to then: `service` or `service:plan`."""
    featured_at: datetime | None = None
    """Since when operators recommend it, if they do."""
    conformance: Mapping[str, Any] | None = None
    """The last report of the test kit: believed, and shown, if it names the revision that it is about."""
    reliability: Reliability | None = None
    """What its canary has measured, if it has one."""

    @property
    def conformant(self) -> Mapping[str, Any] | None:
        """The badge: what was stated, by a key that is trusted, about just this manifest."""
        stated = self.conformance
        return stated if stated and stated.get("revision") == self.revision else None


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan with its service. Units: `price_cents` is per month, in minor units of `currency`."""

    id: UUID
    service: ServiceRef
    slug: str
    human_name: str
    description: str
    is_default: bool
    state: str
    position: int
    price_cents: int
    suspended_cents: int
    """Per month while it is suspended for want of payment."""
    currency: str
    features: Mapping[str, str]
    """In the order of the manifest."""
    regions: tuple[str, ...]
    options_schema: Mapping[str, Any] | None
    meters: tuple[Mapping[str, Any], ...]
    trial_days: int
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """`service:plan`, by which users know it."""
        return f"{self.service.slug}:{self.slug}"

    @property
    def price(self) -> str:
        """The price as people read it."""
        return price_text(self.price_cents, self.currency, metered=self.metered)

    @property
    def metered(self) -> bool:
        """Whether usage costs something."""
        return any(map(is_priced, self.meters))

    @property
    def is_free(self) -> bool:
        """Whether it can never cost anything."""
        return self.price_cents == 0 and not self.metered

    @property
    def price_kind(self) -> str:
        """What the price is made of, in the words of billing."""
        fixed, metered = self.price_cents > 0, self.metered
        return "fixed+metered" if fixed and metered else "metered" if metered else "fixed" if fixed else "free"

    @property
    def visible(self) -> bool:
        """Whether everybody sees it."""
        return self.state == PlanState.PUBLIC

    @property
    def installable(self) -> bool:
        """Whether everybody may install it."""
        return self.visible and offered_to_all(self.service.state, free=self.is_free)


SERVICE_COLUMNS: Final = (
    AddonService.id,
    AddonService.slug,
    AddonService.name,
    AddonService.state,
    AddonService.prefix,
    AddonService.config_vars,
    AddonService.requires,
    AddonService.cli_plugin_name,
    AddonService.capabilities,
    AddonService.regions,
    AddonService.listing,
    AddonService.revision,
    AddonService.created_at,
    AddonService.updated_at,
    AddonService.sunset_at,
    AddonService.successor,
    AddonService.conformance,
    AddonService.featured_at,
    AddonService.reliability,
)
"""What `service_view` reads."""
PLAN_COLUMNS: Final = (
    *Plan.__table__.columns,
    AddonService.slug.label("service_slug"),
    AddonService.name.label("service_name"),
    AddonService.state.label("service_state"),
    AddonService.prefix.label("service_prefix"),
    AddonService.config_vars.label("service_config_vars"),
    AddonService.requires.label("service_requires"),
)
"""What `plan_view` reads; the statement joins `AddonService`."""


def service_view(row: RowMapping) -> ServiceView:
    """A row of `SERVICE_COLUMNS` as a view."""
    return ServiceView(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        state=row["state"],
        prefix=row["prefix"],
        config_vars=tuple(row["config_vars"]),
        requires=tuple(row["requires"]),
        cli_plugin_name=row["cli_plugin_name"],
        capabilities=tuple(row["capabilities"]),
        regions=tuple(row["regions"]),
        listing=_listing(row["listing"]),
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sunset_at=row["sunset_at"],
        successor=row["successor"],
        conformance=row["conformance"],
        featured_at=row["featured_at"],
        reliability=of_stored(row["reliability"]),
    )


def plan_view(row: RowMapping) -> PlanView:
    """A row of `PLAN_COLUMNS` as a view."""
    return PlanView(
        id=row["id"],
        service=ServiceRef(
            id=row["service_id"],
            slug=row["service_slug"],
            name=row["service_name"],
            state=row["service_state"],
            prefix=row["service_prefix"],
            config_vars=tuple(row["service_config_vars"]),
            requires=tuple(row["service_requires"]),
        ),
        slug=row["slug"],
        human_name=row["human_name"],
        description=row["description"],
        is_default=row["is_default"],
        state=row["state"],
        position=row["position"],
        price_cents=row["price_cents"],
        suspended_cents=row["suspended_cents"],
        currency=row["currency"],
        features=dict(row["features"]),
        regions=tuple(row["regions"]),
        options_schema=row["options_schema"],
        meters=tuple(row["meters"]),
        trial_days=row["trial_days"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def offered_to_all(state: str, *, free: bool, alpha: bool = False) -> bool:
    """Whether a service in this state sells a plan that is free, or one that is not: paid plans come with general availability.

    With `alpha`, for those whom a service lets in before everybody.
    """
    return state == GA or (free and (state == BETA or (alpha and state == ALPHA)))


def sunset_text(service: ServiceView, now: datetime | None = None) -> str:
    """What whoever has or wants a service that ends has to know; with `now`, also how many days are left."""
    ends = f" and ends on {service.sunset_at:%Y-%m-%d}" if service.sunset_at else ""
    if service.sunset_at and now:
        days = (service.sunset_at - now).days
        ends += f", in {days} days" if days > 1 else ", which is very soon" if days >= 0 else ", which is over"
    move = f"; move to {service.successor} before that day" if service.successor else ""
    return f"{service.name} takes no new add-ons{ends}{move}."


def price_text(cents: int, currency: str, *, metered: bool = False) -> str:
    """`free`, `$9/month`, `$8.50/month`, `12.50 EUR/month`, `metered`, `$9/month + usage`."""
    if cents == 0:
        return "metered" if metered else "free"
    amount = decimal(cents, currency)
    whole, point, rest = amount.partition(".")
    amount = f"{int(whole):,}" + ("" if not int(rest or 0) else point + rest)
    fixed = f"${amount}/month" if currency == "usd" else f"{amount} {currency.upper()}/month"
    return f"{fixed} + usage" if metered else fixed


def _listing(stored: dict[str, Any]) -> Listing:
    several = {name: tuple(stored.get(name, ())) for name in ("tags", "categories")}
    return Listing(**{**stored, **several})
