"""Tables of teams: who belongs to one, and who was asked to. The team itself is a row of `users` that has a `team_name`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, column, func, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class TeamMember(Base):
    """Somebody in a team, in one role. Changed with the row of the team locked, so that there is always an owner."""

    __tablename__ = "team_members"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TeamInvitation(Base):
    """That an address was asked into a team, and what came of it. Only the hash of the mail's token is stored."""

    __tablename__ = "team_invitations"
    __table_args__ = (
        Index("ix_team_invitations_team_id", "team_id", "created_at"),
        Index("ix_team_invitations_email", func.lower(column("email"))),
        Index(
            "uq_team_invitations_pending",
            "team_id",
            func.lower(column("email")),
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    email: Mapped[str]
    role: Mapped[str]
    state: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    invited_by: Mapped[UUID]
    invited_by_email: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """Who has answered."""
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
