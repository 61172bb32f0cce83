"""One request to the authorization server, as Authlib's synchronous code sees it: the open transaction, the time, what happened."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy import Connection, select

from broker.accounts.locked import locked_since
from broker.accounts.models import User
from broker.accounts.tokens import token_hash
from broker.kernel.errors import AccountLocked
from broker.kernel.ids import as_uuid
from broker.oauth.models import OAuthClient
from broker.oauth.redirects import is_registered
from broker.oauth.scopes import UnknownScope, parsed
from broker.oauth.signing import Signer


@dataclass(frozen=True, slots=True)
class Person:
    """The user whom it is about."""

    id: UUID
    email: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be recorded of an authorization: it was granted, or it was revoked for a reason."""

    authorization_id: UUID
    client_id: UUID
    user_id: UUID
    user_email: str
    reason: str | None = None


@dataclass(slots=True)
class Conversation:
    """What the grants work with."""

    connection: Connection
    now: datetime
    issuer: str
    signer: Signer | None = None
    contact: str = ""
    """Where the operators are reached, for who is locked out."""
    granted: list[Fact] = field(default_factory=list)
    revoked: list[Fact] = field(default_factory=list)

    def person(self, user_id: UUID) -> Person | None:
        """The user with this id."""
        row = self.connection.execute(select(User.id, User.email, User.name).where(User.id == user_id)).one_or_none()
        return None if row is None else Person(*row)

    def locked(self, user_id: UUID) -> AccountLocked | None:
        """The refusal of whatever lets this user in, if the account is locked; it stays as it is until the conversation ends."""
        locked_at = self.connection.execute(locked_since(user_id)).scalar()
        return None if locked_at is None else AccountLocked(self.contact)

    def client(self, client_id: str) -> KnownClient | None:
        """The client with this id, unless it was destroyed."""
        return self._client(OAuthClient.id == as_uuid(client_id))

    def client_by_secret(self, secret_hash: bytes) -> KnownClient | None:
        """The client with this secret: older programs name themselves by nothing else."""
        return self._client(OAuthClient.secret_hash == secret_hash)

    def _client(self, named: Any) -> KnownClient | None:
        columns = (
            OAuthClient.id,
            OAuthClient.owner_id,
            OAuthClient.name,
            OAuthClient.redirect_uris,
            OAuthClient.secret_hash,
            OAuthClient.requires_pkce,
            OAuthClient.own_scopes,
            OAuthClient.service_id,
        )
        row = self.connection.execute(select(*columns).where(named, OAuthClient.destroyed_at.is_(None))).one_or_none()
        return None if row is None else KnownClient(*row)


@dataclass(frozen=True, slots=True)
class KnownClient(ClientMixin):  # type: ignore[misc]  # Authlib has no annotations
    """A registered client, in the shape that Authlib asks of it."""

    id: UUID
    owner_id: UUID
    name: str
    redirect_uris: list[str]
    secret_hash: bytes | None
    requires_pkce: bool
    own_scopes: list[str]
    service_id: UUID | None
    """The add-on service whose dashboard it is, if it is one."""

    @property
    def public(self) -> bool:
        """Whether it has no secret, so that anybody can pretend to be it."""
        return self.secret_hash is None

    def get_client_id(self) -> str:
        return str(self.id)

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        try:
            return parsed(scope).text()
        except UnknownScope:
            return None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return is_registered(self.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret_hash is not None and hmac.compare_digest(self.secret_hash, token_hash(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") is self.public

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type != "client_credentials" or bool(self.own_scopes)
