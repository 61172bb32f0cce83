"""The table of payouts: what partners were paid, or will be."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class PayoutState(StrEnum):
    """Where a payout is on its way."""

    DRAFT = "draft"
    APPROVED = "approved"
    """To be transferred: it stands in the export."""
    PAID = "paid"
    FAILED = "failed"
    """Refused or sent back: the amount is in the balance again."""


PAYOUT_TRANSITIONS: Final[dict[PayoutState, frozenset[PayoutState]]] = {
    PayoutState.DRAFT: frozenset({PayoutState.APPROVED, PayoutState.FAILED}),
    PayoutState.APPROVED: frozenset({PayoutState.PAID, PayoutState.FAILED}),
    PayoutState.PAID: frozenset({PayoutState.FAILED}),
    PayoutState.FAILED: frozenset(),
}


class Payout(Base):
    """What a service's partner is paid in a currency: one a day, unless it fails. Units: minor units."""

    __tablename__ = "payouts"
    __table_args__ = (
        Index("ix_payouts_service", "service", "currency", "created_at"),
        Index("uq_payouts_day", "service", "currency", "day", unique=True, postgresql_where=text("state <> 'failed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str]
    currency: Mapped[str]
    day: Mapped[str]
    """When it was drafted, in UTC."""
    minor: Mapped[int]
    earned_until: Mapped[datetime]
    """Shares that came later were still held."""
    state: Mapped[str]
    reference: Mapped[str] = mapped_column(server_default="")
    """Of the transfer, as the bank names it."""
    reason: Mapped[str] = mapped_column(server_default="")
    """Why it failed."""
    created_at: Mapped[datetime]
    approved_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
