"""The table of notices: what was, is or will be told to whom."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class NoticeState(StrEnum):
    """Where a notice is. `kept`: this installation sends no mail, and operators read it here."""

    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    GIVEN_UP = "given_up"


class Notice(Base):
    """One mail to one address, written in the transaction of its cause. The row is also the claim of its sending."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_user_id_created_at", "user_id", "created_at"),
        Index("ix_notices_due_at", "due_at"),
        Index("ix_notices_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None]
    """Whose notice it is; None: the address belongs to no account, or not yet. Refers to `users`, a table above us."""
    address: Mapped[str]
    """As it was when there was something to tell: a mail about a changed address goes to the old one."""
    kind: Mapped[str]
    facts: Mapped[dict[str, Any]]
    key: Mapped[str | None] = mapped_column(unique=True)
    """What is told once has one."""
    data_key: Mapped[bytes | None] = mapped_column(info={"wrapped_key": True})
    secrets_sealed: Mapped[bytes | None]
    """Facts that only the receiver may read, such as the token in a link; gone as soon as it was sent."""
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Counted up by each claim; whoever holds an old number has lost."""
    due_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    """When it is no longer worth telling."""
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
