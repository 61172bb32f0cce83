"""What clients hold: authorizations with their access tokens, and the refresh tokens that renew them. Synchronous, for Authlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidGrantError, TokenMixin
from sqlalchemy import Select, insert, or_, select, update

from broker.accounts.models import Authorization, User
from broker.accounts.tokens import ACCESS_PREFIX, new_token, token_hash, token_hint
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.oauth.conversation import Conversation, Fact, KnownClient
from broker.oauth.models import OAuthRefreshToken
from broker.oauth.scopes import Reach
from broker.oauth.tidy import tidy

ACCESS_LIFE: Final = timedelta(hours=8)
EXCHANGED_LIFE: Final = timedelta(hours=1)
REFRESH_LIFE: Final = timedelta(days=90)
"""From one use to the next: an authorization that nobody refreshes for so long is over."""
GRACE: Final = timedelta(seconds=30)
"""So long may a used refresh token come again, because the answer was lost on the way."""


@dataclass(frozen=True, slots=True)
class Issued(TokenMixin):  # type: ignore[misc]  # Authlib has no annotations
    """An authorization that a client holds, found by one of its tokens; in the shape that Authlib asks of it."""

    id: UUID
    client_id: UUID
    user_id: UUID
    user_email: str
    scopes: list[str]
    only_apps: list[UUID] | None
    session_id: UUID | None
    parent_id: UUID | None
    revoked_at: datetime | None
    issued_at: datetime
    expires_at: datetime
    expired: bool
    refresh_id: UUID | None = None
    """The refresh token by which it was found."""

    @property
    def reach(self) -> Reach:
        return Reach(tuple(self.scopes), None if self.only_apps is None else frozenset(self.only_apps))

    def check_client(self, client: KnownClient) -> bool:
        return self.client_id == client.id

    def get_scope(self) -> str:
        return self.reach.text()

    def get_expires_in(self) -> int:
        return int((self.expires_at - self.issued_at).total_seconds())

    def is_expired(self) -> bool:
        return self.expired

    def is_revoked(self) -> bool:
        return self.revoked_at is not None


@dataclass(frozen=True, slots=True)
class Grantee:
    """Who is given what, on whose behalf."""

    client: KnownClient
    user_id: UUID
    reach: Reach
    session_id: UUID | None = None
    parent_id: UUID | None = None


def issue(talk: Conversation, to: Grantee, token: Mapping[str, Any]) -> UUID:
    """Store a new authorization with its tokens; its id.

    Raises: InvalidGrantError for a locked account.
    """
    _refuse_locked(talk, to.user_id)
    authorization_id = new_id()
    refresh = token.get("refresh_token")
    row = {
        "id": authorization_id,
        "user_id": to.user_id,
        "client_id": to.client.id,
        "session_id": to.session_id,
        "parent_id": to.parent_id,
        "description": to.client.name,
        "scopes": list(to.reach.names),
        "only_apps": None if to.reach.only_apps is None else sorted(to.reach.only_apps),
        "created_at": talk.now,
    }
    values = _access(talk, token) | _renewable(talk, refresh)
    talk.connection.execute(insert(Authorization).values(**row, **values))
    if refresh is not None:
        _add_refresh(talk, authorization_id, refresh)
    if to.parent_id is None:
        _note(talk, authorization_id, to)
    tidy(talk, to.client)
    return authorization_id


def renew(talk: Conversation, issued: Issued, token: Mapping[str, Any]) -> None:
    """Replace the access token and the refresh token by these; the old ones are void."""
    renewed = update(Authorization).where(Authorization.id == issued.id)
    values = _access(talk, token) | _renewable(talk, token["refresh_token"])
    talk.connection.execute(renewed.values(**values))
    _supersede(talk, issued, token["refresh_token"])


def renew_narrowed(
    talk: Conversation, issued: Issued, client: KnownClient, reach: Reach, token: Mapping[str, Any]
) -> None:
    """The same with an access token that reaches less: it is one of its own, for the authorization stays what it is."""
    replaced = {"access_token": new_token(ACCESS_PREFIX).reveal(), "expires_in": 0, **_only_refresh(token)}
    renew(talk, issued, replaced)
    issue(talk, Grantee(client, issued.user_id, reach, issued.session_id, issued.id), _without_refresh(token))


def revoke(talk: Conversation, issued: Issued, reason: str) -> None:
    """End an authorization, and all that were narrowed from it, at once."""
    ended = or_(Authorization.id == issued.id, Authorization.parent_id == issued.id)
    live = update(Authorization).where(ended, Authorization.revoked_at.is_(None))
    if talk.connection.execute(live.values(revoked_at=talk.now, updated_at=talk.now)).rowcount:
        fact = Fact(issued.id, issued.client_id, issued.user_id, issued.user_email, reason)
        talk.revoked.append(fact)


def by_id(talk: Conversation, authorization_id: UUID) -> Issued | None:
    """The authorization with this id."""
    return _one(talk, _issued(talk).where(Authorization.id == authorization_id))


def by_access_token(talk: Conversation, token: str) -> Issued | None:
    """The authorization with this access token, valid or not."""
    return _one(talk, _issued(talk).where(Authorization.token_hash == token_hash(token)))


def by_refresh_token(talk: Conversation, token: str) -> Issued | None:
    """The authorization with this refresh token; `expired` unless the token can be used."""
    usable = OAuthRefreshToken.used_at.is_(None) & (OAuthRefreshToken.expires_at > talk.now)
    statement = _issued(talk, ~usable, OAuthRefreshToken.id)
    joined = statement.join(OAuthRefreshToken, OAuthRefreshToken.authorization_id == Authorization.id)
    return _one(talk, joined.where(OAuthRefreshToken.token_hash == token_hash(token)))


def to_be_refreshed(talk: Conversation, client: KnownClient, token: str) -> Issued | None:
    """What this client may renew with this refresh token, locked. A token that was used before ends the authorization.

    A used one is taken once more while what was given for it is unused and fresh: then the answer was lost on its way.

    Raises: InvalidGrantError for a locked account, whose token is not used up by that.
    """
    found = by_refresh_token(talk, token)
    if found is None or not found.check_client(client) or found.refresh_id is None:
        return None
    _refuse_locked(talk, found.user_id)
    lock = select(Authorization.revoked_at).where(Authorization.id == found.id).with_for_update()
    if talk.connection.execute(lock).scalar_one() is not None:
        return None
    row = talk.connection.execute(_refresh_row(found.refresh_id)).one()
    if row.expires_at <= talk.now:
        return None
    if row.used_at is not None and not _answer_was_lost(talk, row):
        revoke(talk, found, "refresh_token_reused")
        return None
    return found


def _refuse_locked(talk: Conversation, user_id: UUID) -> None:
    """Held until the end: a lock at the same moment comes before, and nothing is given, or after, and what is given is refused."""
    if (refusal := talk.locked(user_id)) is not None:
        raise InvalidGrantError(refusal.message)


def _answer_was_lost(talk: Conversation, row: Any) -> bool:
    if row.successor_id is None or row.used_at <= talk.now - GRACE:
        return False
    return talk.connection.execute(_refresh_row(row.successor_id)).one().used_at is None


def _supersede(talk: Conversation, issued: Issued, refresh: str) -> None:
    """Mark the refresh token that was brought as used, and what was given for it before as well."""
    assert issued.refresh_id is not None, "it was found by its refresh token"
    row = talk.connection.execute(_refresh_row(issued.refresh_id)).one()
    made = _add_refresh(talk, issued.id, refresh)
    used = update(OAuthRefreshToken)
    talk.connection.execute(
        used.where(OAuthRefreshToken.id == row.id).values(used_at=row.used_at or talk.now, successor_id=made)
    )
    if row.successor_id is not None:
        talk.connection.execute(used.where(OAuthRefreshToken.id == row.successor_id).values(used_at=talk.now))


def _refresh_row(refresh_id: UUID) -> Select[*tuple[Any, ...]]:
    row = OAuthRefreshToken
    return select(row.id, row.used_at, row.successor_id, row.expires_at).where(row.id == refresh_id)


def _add_refresh(talk: Conversation, authorization_id: UUID, refresh: str) -> UUID:
    refresh_id = new_id()
    row = {
        "id": refresh_id,
        "authorization_id": authorization_id,
        "token_hash": token_hash(refresh),
        "expires_at": talk.now + REFRESH_LIFE,
        "created_at": talk.now,
    }
    talk.connection.execute(insert(OAuthRefreshToken).values(**row))
    return refresh_id


def _access(talk: Conversation, token: Mapping[str, Any]) -> dict[str, Any]:
    access = Secret(token["access_token"])
    return {
        "token_hash": token_hash(access.reveal()),
        "hint": token_hint(access),
        "expires_at": talk.now + timedelta(seconds=token["expires_in"]),
        "updated_at": talk.now,
    }


def _renewable(talk: Conversation, refresh: str | None) -> dict[str, Any]:
    return {} if refresh is None else {"renewable_until": talk.now + REFRESH_LIFE}


def _only_refresh(token: Mapping[str, Any]) -> dict[str, Any]:
    return {"refresh_token": token["refresh_token"]}


def _without_refresh(token: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in token.items() if name != "refresh_token"}


def _note(talk: Conversation, authorization_id: UUID, to: Grantee) -> None:
    person = talk.person(to.user_id)
    if person is not None:
        talk.granted.append(Fact(authorization_id, to.client.id, person.id, person.email))


def _one(talk: Conversation, statement: Select[*tuple[Any, ...]]) -> Issued | None:
    row = talk.connection.execute(statement).one_or_none()
    return None if row is None else Issued(*row)


def _issued(talk: Conversation, *how_found: Any) -> Select[*tuple[Any, ...]]:
    """Only what clients hold: tokens that users made for themselves are none of a client's business."""
    return (
        select(
            Authorization.id,
            Authorization.client_id,
            Authorization.user_id,
            User.email,
            Authorization.scopes,
            Authorization.only_apps,
            Authorization.session_id,
            Authorization.parent_id,
            Authorization.revoked_at,
            Authorization.updated_at,
            Authorization.expires_at,
            *(how_found or (Authorization.expires_at <= talk.now,)),
        )
        .join(User, User.id == Authorization.user_id)
        .where(Authorization.client_id.is_not(None))
    )
