"""Authorization codes: one per consent, for one client, fetched once. Synchronous, for Authlib."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin
from sqlalchemy import Connection, insert, select, update

from broker.accounts.tokens import token_hash
from broker.kernel.ids import new_id
from broker.oauth.conversation import Conversation, KnownClient
from broker.oauth.issued import by_id, revoke
from broker.oauth.models import OAuthCode
from broker.oauth.scopes import OPENID, Reach

CODE_LIFE: Final = timedelta(minutes=1)
"""A browser follows a redirect, and a server sends one request: more time serves thieves only."""


@dataclass(frozen=True, slots=True)
class Code(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib has no annotations
    """A code that can be fetched, in the shape that Authlib asks of it."""

    id: UUID
    user_id: UUID
    session_id: UUID | None
    redirect_uri: str | None
    reach: Reach
    code_challenge: str | None
    nonce: str | None
    signed_in_at: datetime
    claims: Mapping[str, Any]
    """What its ID token says besides."""

    def get_redirect_uri(self) -> str | None:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.reach.text()


@dataclass(frozen=True, slots=True)
class Consented:
    """What a user has just allowed, in which session."""

    user_id: UUID
    session_id: UUID | None
    signed_in_at: datetime
    reach: Reach
    claims: Mapping[str, Any] | None = None
    """What the ID token says besides, of the dashboard that is being opened."""


def new_code() -> str:
    """A fresh code."""
    return secrets.token_urlsafe(32)


def save_code(talk: Conversation, code: str, client: KnownClient, given: Consented, asked: dict[str, str]) -> None:
    """Store a code for the client, with what its token request must prove."""
    row = {
        "id": new_id(),
        "code_hash": token_hash(code),
        "client_id": client.id,
        "user_id": given.user_id,
        "session_id": given.session_id,
        "redirect_uri": asked.get("redirect_uri"),
        "scopes": list(given.reach.names),
        "only_apps": None if given.reach.only_apps is None else sorted(given.reach.only_apps),
        "code_challenge": asked.get("code_challenge"),
        "nonce": asked.get("nonce"),
        "signed_in_at": given.signed_in_at,
        "expires_at": talk.now + CODE_LIFE,
        **({} if given.claims is None else {"claims": dict(given.claims)}),
    }
    talk.connection.execute(insert(OAuthCode).values(**row))


def fetchable(talk: Conversation, code: str, client: KnownClient) -> Code | None:
    """The code, locked, if this client may fetch it now. One that was fetched before takes back what was given for it."""
    mine = (OAuthCode.code_hash == token_hash(code), OAuthCode.client_id == client.id)
    row = talk.connection.execute(select(OAuthCode.__table__).where(*mine).with_for_update()).one_or_none()
    if row is None or (row.expires_at <= talk.now and row.used_at is None):
        return None
    if row.used_at is not None:
        _take_back(talk, row)
        return None
    apps = None if row.only_apps is None else frozenset(row.only_apps)
    reach = Reach(tuple(row.scopes), apps)
    return Code(
        id=row.id,
        user_id=row.user_id,
        session_id=row.session_id,
        redirect_uri=row.redirect_uri,
        reach=reach,
        code_challenge=row.code_challenge,
        nonce=row.nonce,
        signed_in_at=row.signed_in_at,
        claims=row.claims or {},
    )


def signs_in(connection: Connection, code: str) -> bool:
    """Whether the code stands for a user who is signed in by it."""
    statement = select(OAuthCode.scopes).where(OAuthCode.code_hash == token_hash(code))
    return OPENID in (connection.execute(statement).scalar_one_or_none() or ())


def use_up(talk: Conversation, code: Code, authorization_id: UUID) -> None:
    """Mark the code as fetched, and note what was given for it."""
    used = update(OAuthCode).where(OAuthCode.id == code.id)
    talk.connection.execute(used.values(used_at=talk.now, authorization_id=authorization_id))


def _take_back(talk: Conversation, row: Any) -> None:
    issued = row.authorization_id and by_id(talk, row.authorization_id)
    if issued:
        revoke(talk, issued, "code_reused")
