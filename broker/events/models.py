"""Table of facts: what happened, to what, by whom. Append-only; never holds a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Event(Base):
    """One fact, recorded in the transaction that made it true."""

    __tablename__ = "events"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    app_id: Mapped[UUID | None] = mapped_column(index=True)
    addon_id: Mapped[UUID | None] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
