"""The table of flags: what operators have switched off, or on again. What was never touched has no row, and is on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Flag(StrEnum):
    """What an installation does unless an operator has switched it off."""

    SIGN_UP = "sign-up"
    """Making an account without an invitation."""
    INSTALLS = "installs"
    """Creating add-ons: of all services, or of one."""
    COLLECTION = "collection"
    """Collecting invoices, and what is done about those that are not paid."""
    NOTICES = "notices"
    """Sending mails, but for those with a link that somebody waits for."""


class FlagRow(Base):
    """A flag as it was switched last; `service` is a slug, or empty for the flag as a whole."""

    __tablename__ = "flags"

    name: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]
    reason: Mapped[str]
    changed_by_id: Mapped[UUID]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]
