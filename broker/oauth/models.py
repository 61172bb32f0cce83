"""Tables of OAuth: the grants that providers receive; clients of third parties and what they are given; sessions of browsers.

The access tokens themselves are rows of `authorizations`, beside those that users make for themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class OAuthGrant(Base):
    """A one-time code for one add-on, minted for one provider call. Only its SHA-256 is stored."""

    __tablename__ = "oauth_grants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(index=True)
    code_hash: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class OAuthClient(Base):
    """A program of a third party that users may let act for them. Without a secret it is a public one."""

    __tablename__ = "oauth_clients"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret_hash: Mapped[bytes | None] = mapped_column(unique=True)
    secret_hint: Mapped[str | None]
    requires_pkce: Mapped[bool]
    own_scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """What it may do in its owner's name with its secret alone; empty: nothing."""
    service_id: Mapped[UUID | None] = mapped_column(unique=True)
    """The add-on service whose dashboard it is, if it is one."""
    destroyed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OAuthCode(Base):
    """An authorization code: what a user consented to, waiting to be fetched once. Kept after use, to know it again."""

    __tablename__ = "oauth_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(unique=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_clients.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    session_id: Mapped[UUID | None]
    redirect_uri: Mapped[str | None]
    """As the authorization request gave it: then the token request must give the same."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    only_apps: Mapped[list[UUID] | None] = mapped_column(ARRAY(PgUuid(as_uuid=True)))
    code_challenge: Mapped[str | None]
    nonce: Mapped[str | None]
    signed_in_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    authorization_id: Mapped[UUID | None]
    """What was given for it."""
    claims: Mapped[dict[str, Any] | None]
    """What the ID token says besides, when it opens a dashboard: which add-on, and what the user is to it."""


class OAuthRefreshToken(Base):
    """One refresh token of an authorization. A used one is kept: whoever brings it again is a thief or was robbed."""

    __tablename__ = "oauth_refresh_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    authorization_id: Mapped[UUID] = mapped_column(ForeignKey("authorizations.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    successor_id: Mapped[UUID | None]
    """What was given for it last."""
    created_at: Mapped[datetime]


class OAuthConsent(Base):
    """What a user allowed a client last: it is not asked again for as much or less."""

    __tablename__ = "oauth_consents"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_clients.id"), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    only_apps: Mapped[list[UUID] | None] = mapped_column(ARRAY(PgUuid(as_uuid=True)))
    given_at: Mapped[datetime]


class BrowserSession(Base):
    """A browser that somebody signed in with. Only the hash of its cookie is stored."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    description: Mapped[str]
    address: Mapped[str | None]
    """From where it began."""
    last_seen_at: Mapped[datetime | None]
    """To some minutes."""
    proved_at: Mapped[datetime | None]
    """When its user last showed that it is really the user: dangerous changes ask for it anew."""
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SigningKey(Base):
    """A key that signs ID tokens: the public half for everybody, the private one sealed."""

    __tablename__ = "oauth_signing_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[bytes]
    data_key: Mapped[bytes] = mapped_column(info={"wrapped_key": True})
    created_at: Mapped[datetime]
