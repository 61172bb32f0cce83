"""Sessions of browsers: begun with e-mail address and password, known by a cookie, listed and ended by their user."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, insert, select, update

from broker.accounts.change import end_sessions
from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.accounts.tokens import token_hash
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.direct import Direct
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret
from broker.notices.outbox import notify
from broker.oauth.models import BrowserSession

LIFE: Final = timedelta(days=7)
PROVED_FOR: Final = timedelta(minutes=15)
"""How long after its user has shown who it is a session may do dangerous things."""
SEEN_EVERY: Final = timedelta(minutes=5)
"""How exactly it is known when a session was last used."""
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
    address: str | None = None
    last_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whoever sits before the browser."""

    session_id: UUID
    actor: Actor
    since: datetime
    proved_at: datetime | None = None
    """When it last showed who it is."""

    def is_proved(self, now: datetime) -> bool:
        """Whether that was just now."""
        return self.proved_at is not None and now < self.proved_at + PROVED_FOR


async def begin_session(ctx: Context, actor: Actor, description: str, *, is_new_device: bool = False) -> Secret:
    """A new session of the actor, who has just proved who it is; what its cookie holds. Never an old one made good again.

    The user is told of a device that was not used for the account before.

    Raises: AccountLocked.
    """
    cookie, session_id, at = Secret(secrets.token_urlsafe(32)), new_id(), ctx.wall.now()
    row = {
        "id": session_id,
        "user_id": actor.id,
        "token_hash": token_hash(cookie.reveal()),
        "description": "".join(c for c in description if c.isprintable())[:LONGEST_DESCRIPTION] or "A browser",
        "address": current_origin().address,
        "last_seen_at": at,
        "proved_at": at,
        "expires_at": at + LIFE,
        "created_at": at,
    }
    old = (BrowserSession.user_id == actor.id, BrowserSession.expires_at < at - KEPT)
    async with ctx.database.transaction() as tx:
        await require_unlocked(tx, ctx, actor.id)
        await tx.execute(delete(BrowserSession).where(*old))
        await tx.execute(insert(BrowserSession).values(**row))
        await emit(tx, "session.began", actor, at, session=str(session_id))
        if is_new_device:
            told = {name: row[name] for name in ("description", "address")}
            facts = {**told, "email": actor.email, "at": rfc3339(at)}
            await notify(tx, actor.id, "session.new_device", facts, at)
    return cookie


_FIND: Final = Direct(
    select(
        BrowserSession.id,
        BrowserSession.user_id,
        BrowserSession.created_at,
        BrowserSession.proved_at,
        BrowserSession.last_seen_at,
        User.email,
        User.is_operator,
    )
    .join(User, User.id == BrowserSession.user_id)
    .where(
        BrowserSession.token_hash == bindparam("token_hash"),
        BrowserSession.ended_at.is_(None),
        BrowserSession.expires_at > bindparam("now"),
        User.locked_at.is_(None),
    )
)


async def find_session(ctx: Context, cookie: Secret) -> SignedIn | None:
    """Who is signed in with this cookie, if anybody."""
    rows = await _FIND.read(ctx.database, token_hash=token_hash(cookie.reveal()), now=ctx.wall.now())
    if not rows:
        return None
    row, now = rows[0], ctx.clock.now()
    if row.last_seen_at is None or row.last_seen_at <= now - SEEN_EVERY:
        async with ctx.database.transaction() as tx:
            seen = update(BrowserSession).where(BrowserSession.id == row.id, BrowserSession.ended_at.is_(None))
            await tx.execute(seen.values(last_seen_at=now))
    actor = Actor(row.user_id, row.email, frozenset({Scope.GLOBAL}), is_operator=row.is_operator)
    return SignedIn(row.id, actor, row.created_at, row.proved_at)


async def prove_session(ctx: Context, seen: SignedIn) -> Secret:
    """Note that its user has just shown who it is. Whoever calls this has asked for the password.

    What its cookie holds from now on: the one before, which somebody else may have, gets nobody to what needs the proof.
    """
    now, cookie = ctx.clock.now(), Secret(secrets.token_urlsafe(32))
    async with ctx.database.transaction() as tx:
        mine = update(BrowserSession).where(BrowserSession.id == seen.session_id)
        await tx.execute(mine.values(proved_at=now, token_hash=token_hash(cookie.reveal())))
        await emit(tx, "session.proved", seen.actor, now, session=str(seen.session_id))
    return cookie


async def end_other_sessions(ctx: Context, seen: SignedIn) -> None:
    """Sign out every browser of the user but this one."""
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await end_sessions(tx, seen.actor.id, now, but=seen.session_id)
        await emit(tx, "session.others_ended", seen.actor, now, session=str(seen.session_id))


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
    session_id, at = as_uuid(key), ctx.wall.now()
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
        BrowserSession.id,
        BrowserSession.description,
        BrowserSession.expires_at,
        BrowserSession.created_at,
        BrowserSession.address,
        BrowserSession.last_seen_at,
    ).where(
        BrowserSession.user_id == actor.id,
        BrowserSession.ended_at.is_(None),
        BrowserSession.expires_at > ctx.wall.now(),
    )
