"""Tables of budgets: the limits, the notices that they gave, and requests to exceed them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Budget(Base):
    """What an account wants to spend in a month at the most, on all or on a part. Units: minor units of `currency`."""

    __tablename__ = "budgets"
    __table_args__ = (
        UniqueConstraint("account_id", "scope_kind", "scope_id", "currency", name="uq_budgets_scope"),
        Index("ix_budgets_next_look_at", "next_look_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    scope_kind: Mapped[str]
    scope_id: Mapped[UUID]
    limit_minor: Mapped[int]
    currency: Mapped[str]
    policy: Mapped[str]
    created_by: Mapped[UUID]
    next_look_at: Mapped[datetime]
    """When the sweep sees next whether there is anything to tell."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BudgetNotice(Base):
    """That a part of a budget was reached: told once for each month and step, which the key sees to."""

    __tablename__ = "budget_notices"

    budget_id: Mapped[UUID] = mapped_column(ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    """Units: percent of the limit."""
    used_minor: Mapped[int]
    limit_minor: Mapped[int]
    created_at: Mapped[datetime]


class BudgetRequest(Base):
    """Somebody asks for something that a budget does not allow. Units: minor units, as far as the month's end."""

    __tablename__ = "budget_requests"
    __table_args__ = (
        Index("ix_budget_requests_account_id", "account_id", "created_at"),
        Index("ix_budget_requests_open", "account_id", "app_id", postgresql_where=text("used_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_by: Mapped[UUID]
    asked_by_email: Mapped[str]
    authorization_id: Mapped[UUID | None]
    app_id: Mapped[UUID]
    addon_id: Mapped[UUID | None]
    """The add-on whose plan is to be changed; None: a new one is wanted."""
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    what: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
