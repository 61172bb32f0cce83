"""Tables of what the marketplace offers (services, plans, prices over time) and of the partner's side of it (manifest
versions, members, entitlements, reviews).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class AddonService(Base):
    """An offering, as its manifest declares it. Password and SSO salt are sealed under the service's own data key."""

    __tablename__ = "addon_services"
    __table_args__ = (
        Index("ix_addon_services_featured_at", "featured_at", postgresql_where=text("featured_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    state: Mapped[str]
    cli_plugin_name: Mapped[str | None]
    api_version: Mapped[str]
    base_url: Mapped[str]
    sso_url: Mapped[str | None]
    url_style: Mapped[str]
    """`object`: the URLs verbatim, SSO by POST; `root`: `base_url` is an origin without the fixed path, SSO by GET."""
    prefix: Mapped[str]
    config_vars: Mapped[list[str]] = mapped_column(ARRAY(Text))
    requires: Mapped[list[str]] = mapped_column(ARRAY(Text))
    capabilities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    regions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    listing: Mapped[dict[str, Any]]
    data_key: Mapped[bytes] = mapped_column(info={"wrapped_key": True})
    password_sealed: Mapped[bytes]
    sso_salt_sealed: Mapped[bytes | None]
    sso: Mapped[str] = mapped_column(server_default="form")
    """How users are signed on: `form`, the signed one of the protocol, or `oidc`."""
    sso_paths: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Where links may lead in the dashboard, each with all below it."""
    sso_redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    old_password_sealed: Mapped[bytes | None]
    """What the provider may still use towards us until `old_secrets_until`; towards the provider we use the new one."""
    old_sso_salt_sealed: Mapped[bytes | None]
    old_secrets_until: Mapped[datetime | None]
    client_secret_hash: Mapped[bytes | None]
    client_secret_old_hash: Mapped[bytes | None]
    client_secret_old_until: Mapped[datetime | None]
    sunset_at: Mapped[datetime | None]
    """When the service ends for those who have it; announced together with the state `sunset`."""
    successor: Mapped[str | None]
    """What to move to, as users would type it: `service` or `service:plan`."""
    conformance: Mapped[dict[str, Any] | None]
    """The summary of the last run of the provider test kit that was handed in, with its instant."""
    reliability: Mapped[dict[str, Any] | None]
    """What the runs of the canary came to, computed at the end of each; None while there is no canary."""
    featured_at: Mapped[datetime | None]
    """Since when operators recommend it on the front page, if they do."""
    revision: Mapped[int]
    """The number of the newest manifest version: the `$base` of whoever changes it next."""
    digest: Mapped[bytes]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ManifestVersion(Base):
    """A manifest as it was pushed. Immutable; its secrets are sealed under the service's data key."""

    __tablename__ = "manifest_versions"
    __table_args__ = (UniqueConstraint("service_id", "revision"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    revision: Mapped[int]
    contents: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Without secrets. Not jsonb, which would not keep the order that the partner wrote."""
    secrets_sealed: Mapped[bytes]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]


class ServiceMember(Base):
    """Somebody who works for the partner. A service that the operator's files declare has none."""

    __tablename__ = "service_members"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str]
    """owner, admin or developer."""
    created_at: Mapped[datetime]


class Entitlement(Base):
    """The right of a user to what is not for everybody: a whole service while it is alpha, or one plan by invitation."""

    __tablename__ = "entitlements"
    __table_args__ = (
        Index(
            "uq_entitlements_holder",
            "user_id",
            "service_id",
            "plan_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    plan_id: Mapped[UUID | None] = mapped_column(ForeignKey("plans.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    granted_by: Mapped[UUID]
    created_at: Mapped[datetime]


class ServiceReview(Base):
    """A request to bring a listing to its next state, and what the operator said to it. At most one is pending."""

    __tablename__ = "service_reviews"
    __table_args__ = (
        Index("uq_service_reviews_pending", "service_id", unique=True, postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    wanted: Mapped[str]
    """beta or ga."""
    state: Mapped[str]
    """pending, approved or refused."""
    checklist: Mapped[list[Any]]
    note: Mapped[str | None]
    requested_by: Mapped[UUID]
    requested_by_email: Mapped[str]
    decided_by: Mapped[UUID | None]
    decided_by_email: Mapped[str | None]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class Plan(Base):
    """A priced level of a service. `price_cents` is the price of new add-ons; `plan_prices` keeps the history."""

    __tablename__ = "plans"
    __table_args__ = (
        UniqueConstraint("service_id", "slug"),
        Index("uq_plans_default", "service_id", unique=True, postgresql_where=text("is_default")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    slug: Mapped[str]
    human_name: Mapped[str]
    description: Mapped[str]
    is_default: Mapped[bool]
    state: Mapped[str]
    """public, hidden or invite."""
    position: Mapped[int]
    price_cents: Mapped[int]
    suspended_cents: Mapped[int] = mapped_column(server_default="0")
    """The price while an add-on is suspended for want of payment."""
    currency: Mapped[str]
    features: Mapped[list[Any]]
    """Pairs of label and value: jsonb would not keep the order of an object."""
    regions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    options_schema: Mapped[dict[str, Any] | None]
    meters: Mapped[list[Any]]
    trial_days: Mapped[int] = mapped_column(server_default="0")
    """For how long it costs an account nothing that tries the service for the first time."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PlanPrice(Base):
    """A price of a plan from an instant on. Immutable: a change adds a row."""

    __tablename__ = "plan_prices"
    __table_args__ = (UniqueConstraint("plan_id", "valid_from"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_cents: Mapped[int]
    currency: Mapped[str]
    valid_from: Mapped[datetime]


class ServiceCanary(Base):
    """The order to try a provider again and again. `resource_id` is what a run has asked it for and is not known to be gone."""

    __tablename__ = "service_canaries"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"), primary_key=True)
    every_s: Mapped[int | None]
    """None: no more runs, but for the removal of what the last may have left."""
    plan: Mapped[str | None]
    """What is provisioned; None: the cheapest."""
    next_at: Mapped[datetime] = mapped_column(index=True)
    fencing: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    resource_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CanaryRun(Base):
    """What came of one run. Immutable; the oldest are forgotten."""

    __tablename__ = "canary_runs"
    __table_args__ = (Index("ix_canary_runs_service_id", "service_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    at: Mapped[datetime]
    """When it began."""
    revision: Mapped[int]
    plan: Mapped[str]
    passed: Mapped[bool]
    checks: Mapped[list[Any]]
    """Pairs of sentence and status."""
    provision_ms: Mapped[int | None]
    fault: Mapped[str | None]
    """A sentence without secrets."""
