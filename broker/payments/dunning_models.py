"""Tables of what becomes of invoices that are not paid: the steps with their dates, and what is disputed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class DunningState(StrEnum):
    """Where the dunning of an invoice is."""

    OPEN = "open"
    PAUSED = "paused"
    """All that is owed of it is disputed."""
    SETTLED = "settled"
    """Nothing is owed any more."""
    EXHAUSTED = "exhausted"
    """It ended with what it was for: the add-ons are gone, and the invoice counts as uncollectible."""


class Dunning(Base):
    """How far the collection of an invoice has come, from the first attempt at it on."""

    __tablename__ = "dunnings"
    __table_args__ = (
        Index("ix_dunnings_account_id", "account_id"),
        Index("ix_dunnings_due", "next_at", postgresql_where=text("ended_at is null")),
        Index("ix_dunnings_exhausted", "account_id", postgresql_where=text("state = 'exhausted'")),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str]
    zone: Mapped[str]
    """The account's billing zone when it began: in it the days are counted."""
    past_due_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    """When its next step is due."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DunningStep(Base):
    """One step and its date, as it was told. A date is only ever put off."""

    __tablename__ = "dunning_steps"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("dunnings.invoice_id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class InvoiceDispute(Base):
    """An invoice, or a line of it, that is not collected until it is decided whether it is right."""

    __tablename__ = "invoice_disputes"
    __table_args__ = (
        Index(
            "uq_invoice_disputes_open",
            "invoice_id",
            "line_id",
            unique=True,
            postgresql_where=text("ended_at is null"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    line_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice_lines.id"))
    """None: all of it."""
    reason: Mapped[str]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
