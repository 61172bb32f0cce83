"""Forgetting what ended long ago, whenever something new is given. Events keep telling that it was. Synchronous, for Authlib."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, delete, func, or_, select

from broker.accounts.models import Authorization
from broker.oauth.conversation import Conversation, KnownClient
from broker.oauth.models import OAuthCode, OAuthRefreshToken

CODES_KEPT: Final = timedelta(days=1)
"""Within it, a code that comes again takes back what was given for it."""
ENDED_KEPT: Final = timedelta(days=30)
_MOST: Final = 100
"""At once: each request does a little, and none does much."""


def tidy(talk: Conversation, client: KnownClient) -> None:
    """Delete old codes, and what this client was given and lost long ago."""
    old = select(OAuthCode.id).where(OAuthCode.expires_at < talk.now - CODES_KEPT)
    talk.connection.execute(delete(OAuthCode).where(OAuthCode.id.in_(_some(old))))
    ended = list(talk.connection.execute(_some(_ended(talk, client))).scalars())
    if ended:
        of_ended = OAuthRefreshToken.authorization_id.in_(ended)
        talk.connection.execute(delete(OAuthRefreshToken).where(of_ended))
        talk.connection.execute(delete(Authorization).where(Authorization.id.in_(ended)))


def _ended(talk: Conversation, client: KnownClient) -> Select[Any]:
    before = talk.now - ENDED_KEPT
    last = func.greatest(Authorization.expires_at, Authorization.renewable_until)
    return select(Authorization.id).where(
        Authorization.client_id == client.id, or_(Authorization.revoked_at < before, last < before)
    )


def _some(statement: Select[Any]) -> Select[Any]:
    """A handful of them, leaving those that somebody else is at."""
    return statement.limit(_MOST).with_for_update(skip_locked=True)
