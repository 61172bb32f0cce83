"""Tables of money. Append-only but for the end of a usage period."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class UsagePeriod(Base):
    """An add-on on a plan at a price, half-open [started_at, ended_at). Open while `ended_at` is null."""

    __tablename__ = "usage_periods"
    __table_args__ = (
        Index("uq_usage_periods_open", "addon_id", unique=True, postgresql_where=text("ended_at is null")),
        Index("ix_usage_periods_payer_id", "payer_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID]
    app_id: Mapped[UUID]
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_cents: Mapped[int]
    currency: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
