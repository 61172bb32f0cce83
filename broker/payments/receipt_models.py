"""The table of receipts: money that came for an account as a whole. Append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Receipt(Base):
    """Money that somebody sent without saying for what. Units: minor units."""

    __tablename__ = "receipts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    currency: Mapped[str]
    minor: Mapped[int]
    reference: Mapped[str]
    parts: Mapped[list[Any]]
    """Number, what was paid of it, and what is still owed, of each invoice that it paid."""
    credit_minor: Mapped[int]
    """What was left, and became a prepaid credit."""
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
