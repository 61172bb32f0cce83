"""Tables of what the marketplace offers: services, their plans, and each plan's prices over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class AddonService(Base):
    """An offering, as its manifest declares it. Password and SSO salt are sealed under the service's own data key."""

    __tablename__ = "addon_services"

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
    revision: Mapped[int]
    digest: Mapped[bytes]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


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
    currency: Mapped[str]
    features: Mapped[list[Any]]
    """Pairs of label and value: jsonb would not keep the order of an object."""
    regions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    options_schema: Mapped[dict[str, Any] | None]
    meters: Mapped[list[Any]]
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
