"""Tables of how people prove who they are: links in mails, second factors, brakes on guessing, logins of command lines."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class MailToken(Base):
    """A link that was sent by mail: good once, for a short time. Only the hash of its token is stored."""

    __tablename__ = "mail_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    """Whose account it is about; None: it makes one."""
    email: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Authenticator(Base):
    """The authenticator app of a user: the secret that it shares with us, sealed. Good for nothing until it is confirmed."""

    __tablename__ = "authenticators"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), unique=True)
    data_key: Mapped[bytes] = mapped_column(info={"wrapped_key": True})
    secret_sealed: Mapped[bytes]
    last_step: Mapped[int] = mapped_column(server_default="0")
    """The time step of the last code that was taken: no code of it, or before it, is taken again."""
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Passkey(Base):
    """A key of WebAuthn. Only public things are stored."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    credential: Mapped[bytes]
    """The attested credential data, as the authenticator gave them."""
    sign_count: Mapped[int]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A code for the day on which the second factor is lost. Good once; only its hash is stored."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    code_hash: Mapped[bytes]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class PreAuthorization(Base):
    """A token that has shown a code for one app, and need not show another for a while."""

    __tablename__ = "pre_authorizations"

    authorization_id: Mapped[UUID] = mapped_column(ForeignKey("authorizations.id"), primary_key=True)
    app_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class Brake(Base):
    """How often something was tried that may not be tried without end. The key is a hash of what and by whom."""

    __tablename__ = "brakes"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class CliLogin(Base):
    """A command line that waits for its user to sign in with a browser. Both secrets are stored as hashes."""

    __tablename__ = "cli_logins"
    __table_args__ = (Index("ix_cli_logins_expires_at", "expires_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    description: Mapped[str]
    address: Mapped[str | None]
    """From where it was asked for: the user is shown it."""
    page_hash: Mapped[bytes] = mapped_column(unique=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    state: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    session_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
