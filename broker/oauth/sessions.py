"""Sessions of browsers: begun with e-mail address and password, known by a cookie, listed and ended by their user."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, insert, select, update

from broker.accounts.models import User
from broker.accounts.tokens import token_hash
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret
from broker.oauth.models import BrowserSession

LIFE: Final = timedelta(days=7)
KEPT: Final = timedelta(days=30)
"""Rows of sessions that are over."""
LONGEST_DESCRIPTION: Final = 200


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its user sees it."""

    id: UUID
    description: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whoever sits before the browser."""

    session_id: UUID
    actor: Actor
    since: datetime


async def begin_session(ctx: Context, actor: Actor, description: str) -> Secret:
    """A new session of the actor, who has just proved who it is; what its cookie holds. Never an old one made good again."""
    cookie, session_id, at = Secret(secrets.token_urlsafe(32)), new_id(), ctx.clock.now()
    row = {
        "id": session_id,
        "user_id": actor.id,
        "token_hash": token_hash(cookie.reveal()),
        "description": "".join(c for c in description if c.isprintable())[:LONGEST_DESCRIPTION] or "A browser",
        "expires_at": at + LIFE,
        "created_at": at,
    }
    old = (BrowserSession.user_id == actor.id, BrowserSession.expires_at < at - KEPT)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(BrowserSession).where(*old))
        await tx.execute(insert(BrowserSession).values(**row))
        await emit(tx, "session.began", actor, at, session=str(session_id))
    return cookie


async def find_session(ctx: Context, cookie: Secret) -> SignedIn | None:
    """Who is signed in with this cookie, if anybody."""
    columns = (BrowserSession.id, BrowserSession.user_id, BrowserSession.created_at, User.email, User.is_operator)
    live = (BrowserSession.ended_at.is_(None), BrowserSession.expires_at > ctx.clock.now())
    statement = select(*columns).join(User, User.id == BrowserSession.user_id).where(*live)
    async with ctx.database.transaction() as tx:
        named = BrowserSession.token_hash == token_hash(cookie.reveal())
        row = (await tx.execute(statement.where(named))).one_or_none()
    if row is None:
        return None
    actor = Actor(row.user_id, row.email, frozenset({Scope.GLOBAL}), is_operator=row.is_operator)
    return SignedIn(row.id, actor, row.created_at)


async def list_sessions(ctx: Context, actor: Actor) -> list[SessionView]:
    """The actor's sessions, oldest first.

    Raises: Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        statement = _live(ctx, actor).order_by(BrowserSession.created_at, BrowserSession.id)
        return [SessionView(*row) for row in await tx.execute(statement)]


async def end_session(ctx: Context, actor: Actor, key: str) -> SessionView:
    """End a session at once: its browser is signed out. What was allowed to clients in it stays allowed.

    Raises: NotFound, Forbidden.
    """
    actor.require_own_token()
    session_id, at = as_uuid(key), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        named = _live(ctx, actor).where(BrowserSession.id == session_id)
        row = (await tx.execute(named)).one_or_none() if session_id else None
        if row is None:
            raise NotFound("session")
        await tx.execute(update(BrowserSession).where(BrowserSession.id == session_id).values(ended_at=at))
        await emit(tx, "session.ended", actor, at, session=str(session_id))
    return SessionView(*row)


def _live(ctx: Context, actor: Actor) -> Select[*tuple[Any, ...]]:
    return select(
        BrowserSession.id, BrowserSession.description, BrowserSession.expires_at, BrowserSession.created_at
    ).where(
        BrowserSession.user_id == actor.id,
        BrowserSession.ended_at.is_(None),
        BrowserSession.expires_at > ctx.clock.now(),
    )
