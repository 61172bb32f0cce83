"""Tables of what is going to happen to the terms of an add-on: the end of its trial, a plan change at the month's end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Trial(Base):
    """The one trial that an account has of a service. It is never begun anew, whatever becomes of the add-on."""

    __tablename__ = "trials"
    __table_args__ = (
        Index("uq_trials_addon_id", "addon_id", unique=True, postgresql_where=text("addon_id is not null")),
        Index("ix_trials_ends_at", "ends_at", postgresql_where=text("addon_id is not null")),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"), primary_key=True)
    addon_id: Mapped[UUID | None]
    """The add-on that has it now; None while there is none, and once it is over."""
    started_at: Mapped[datetime | None]
    """When the first add-on was provisioned; None until then."""
    ends_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    """When the account agreed to pay from the end on."""
    told_at: Mapped[datetime | None]
    """When notice of the end was given."""
    outcome: Mapped[str | None]
    """What the end led to: `paid`, or `suspended` with the reason."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ScheduledChange(Base):
    """The plan that an add-on is to have from an instant on. At most one, which the key sees to."""

    __tablename__ = "scheduled_changes"
    __table_args__ = (Index("ix_scheduled_changes_effective_at", "effective_at"),)

    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"), primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    effective_at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    authorization_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
