"""Tables of money. Append-only but for the end of a usage period."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class UsagePeriod(Base):
    """An add-on on a plan at a price, half-open [started_at, ended_at). Open while `ended_at` is null."""

    __tablename__ = "usage_periods"
    __table_args__ = (
        Index("uq_usage_periods_open", "addon_id", unique=True, postgresql_where=text("ended_at is null")),
        Index("ix_usage_periods_payer_id", "payer_id", "started_at"),
        Index("ix_usage_periods_addon_id", "addon_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID]
    app_id: Mapped[UUID]
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_cents: Mapped[int]
    currency: Mapped[str]
    service: Mapped[str] = mapped_column(server_default="")
    plan: Mapped[str] = mapped_column(server_default="")
    """The slugs as they were: what was billed can be told without the catalog."""
    mode: Mapped[str] = mapped_column(server_default="paid")
    terms: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Everything else that the price consists of, such as meters; see `history.py`."""
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class BillingAccount(Base):
    """Who pays, and how it is billed: the account of a user, made when something needs it. Units: hundredths of a percent."""

    __tablename__ = "billing_accounts"

    id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    currency: Mapped[str | None]
    """Fixed by the first invoice."""
    zone: Mapped[str] = mapped_column(server_default="UTC")
    tax: Mapped[dict[str, Any] | None]
    discount_bp: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class UsageEvent(Base):
    """What a provider reported of a meter, or that it takes an earlier report back. Never changed but for `line_id`."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_addon_id", "addon_id", "at"),
        Index("ix_usage_events_voids", "addon_id", postgresql_where=text("voids is not null")),
    )

    source: Mapped[str] = mapped_column(primary_key=True)
    """The service that reports, and what it calls the part of it that counts."""
    id: Mapped[str] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID]
    meter: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    at: Mapped[datetime]
    subject: Mapped[str] = mapped_column(server_default="")
    voids: Mapped[str | None]
    digest: Mapped[bytes]
    """Of what was reported: the same name with another content is refused."""
    received_at: Mapped[datetime]
    line_id: Mapped[UUID | None]
    """The line of an invoice that it was used up by."""
