"""Tables of people and their tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, column, false, func, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class User(Base):
    """A person who signs in, or a team, which never does. E-mail addresses are unique without regard to case."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", func.lower(column("email")), unique=True),
        Index("uq_users_team_name", "team_name", unique=True, postgresql_where=text("team_ended_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str | None]
    password_hash: Mapped[str | None]
    is_operator: Mapped[bool] = mapped_column(server_default=false())
    """Whether the person runs this installation, and may do what concerns everybody's add-ons."""
    asks_for_codes: Mapped[bool] = mapped_column(server_default=false())
    """Whether a token alone destroys nothing: a code of the second factor is asked for as well."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_login: Mapped[datetime | None]
    locked_at: Mapped[datetime | None]
    """Since when the operators let nobody in."""
    locked_reason: Mapped[str | None]
    """Why, for operators alone."""
    locked_by: Mapped[str | None]
    """The address of the operator."""
    team_name: Mapped[str | None]
    """What the team is called; None: it is a person."""
    team_ended_at: Mapped[datetime | None]
    """Since when there is no such team: the row stays, for its bills and its history."""


class Authorization(Base):
    """An API token of a user. Only its SHA-256 is stored; `hint` is what lists may show of it."""

    __tablename__ = "authorizations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    description: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str]
    client_id: Mapped[UUID | None] = mapped_column(index=True)
    """The OAuth client that holds it; None: the user's own."""
    session_id: Mapped[UUID | None]
    """The browser session in which it was consented to."""
    parent_id: Mapped[UUID | None] = mapped_column(index=True)
    """The authorization that it was narrowed from, and ends with."""
    only_apps: Mapped[list[UUID] | None] = mapped_column(ARRAY(PgUuid(as_uuid=True)))
    """The apps that it is limited to; None: all of the user's."""
    expires_at: Mapped[datetime | None]
    renewable_until: Mapped[datetime | None]
    """Until when its refresh token gives a new access token."""
    last_used_at: Mapped[datetime | None]
    """To some minutes: it is not written at every request."""
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class IdempotencyKey(Base):
    """A request that its sender may repeat, and what it made. `subject_id` is null while it is being answered."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    subject_id: Mapped[UUID | None]
    reserved_id: Mapped[UUID | None]
    """The id that what is made gets, so that whoever takes over a dead request finds what it had committed."""
    created_at: Mapped[datetime]
