"""Signing a command line in with a browser: it asks, its user allows it on a page of ours, and it fetches a token once.

Whoever asks is shown a short code, and so is the user: a link that somebody else sent shows another one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from broker.accounts.authorizations import AuthorizationView, CreateAuthorization, create_authorization
from broker.accounts.brakes import Allowance, count
from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.accounts.proof_models import CliLogin
from broker.accounts.tokens import token_hash
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NotFound
from broker.kernel.ids import new_id
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret

LIFE: Final = timedelta(minutes=10)
TOKEN_LIFE: Final = timedelta(days=30)
"""Of what the command line gets, unless the installation says less."""
LONGEST_DESCRIPTION: Final = 200
_AT_ONCE: Final = 500
_MOST: Final = Allowance(
    "logins of command lines",
    60,
    timedelta(hours=1),
    "Too many logins were begun from your network address; wait a little.",
)


class LoginState(StrEnum):
    """Where such a login is. `fetched`: its token was given, once."""

    WAITING = "waiting"
    ALLOWED = "allowed"
    REFUSED = "refused"
    FETCHED = "fetched"


@dataclass(frozen=True, slots=True)
class Begun:
    """What the command line needs: the page for its user, and with what it fetches the token."""

    page: Secret
    token: Secret


@dataclass(frozen=True, slots=True)
class CliLoginView:
    """What the user is shown before the decision."""

    id: UUID
    description: str
    address: str | None
    code: str
    created_at: datetime


async def begin_cli_login(ctx: Context, description: str) -> Begun:
    """Begin a login; nobody has said yet who it is.

    Raises: RateLimited.
    """
    origin = current_origin().address
    await count(ctx, _MOST, current_origin().place or "")
    now, page, token = ctx.clock.now(), Secret(secrets.token_urlsafe(24)), Secret(secrets.token_urlsafe(32))
    row = {
        "id": new_id(),
        "description": "".join(c for c in description if c.isprintable())[:LONGEST_DESCRIPTION] or "A command line",
        "address": origin,
        "page_hash": token_hash(page.reveal()),
        "token_hash": token_hash(token.reveal()),
        "state": LoginState.WAITING,
        "expires_at": now + LIFE,
        "created_at": now,
    }
    async with ctx.database.transaction() as tx:
        await tx.execute(insert(CliLogin).values(row))
    return Begun(page, token)


async def look_at_cli_login(ctx: Context, page: str) -> CliLoginView:
    """The login that a page is about, while it waits for a decision.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(_open(ctx, page))).one_or_none()
    if row is None:
        raise NotFound("login", "This login was decided already, or it is too old. Begin anew on the command line.")
    return CliLoginView(row.id, row.description, row.address, short_code(page), row.created_at)


async def decide_cli_login(ctx: Context, actor: Actor, page: str, *, allowed: bool, session_id: UUID | None) -> None:
    """Let the command line act for the actor, or refuse it; for ever.

    Raises: NotFound, Forbidden, AccountLocked.
    """
    actor.require_own_token()
    view = await look_at_cli_login(ctx, page)
    state = LoginState.ALLOWED if allowed else LoginState.REFUSED
    decided = {"state": state, "user_id": actor.id, "session_id": session_id}
    mine = update(CliLogin).where(CliLogin.id == view.id, CliLogin.state == LoginState.WAITING).values(decided)
    async with ctx.database.transaction() as tx:
        await require_unlocked(tx, ctx, actor.id)
        if (await tx.execute(mine)).rowcount != 1:
            raise NotFound("login", "This login was decided already. Begin anew on the command line.")


async def fetch_cli_login(ctx: Context, page: str, token: Secret, life: timedelta) -> AuthorizationView | LoginState:
    """What came of a login, for the command line that began it: its token, once, or where it stands.

    Raises: NotFound for whoever did not begin it, when it is too old, and when the token was fetched before; AccountLocked.
    """
    row = await _fetched(ctx, page, token)
    if row.state != LoginState.ALLOWED:
        return LoginState(row.state)
    actor = Actor(row.user_id, row.email, frozenset({Scope.GLOBAL}))
    wanted = CreateAuthorization(row.description, None, min(TOKEN_LIFE, life))
    return await create_authorization(ctx, actor, wanted)


async def _fetched(ctx: Context, page: str, token: Secret) -> Any:
    """The row; an allowed one is marked first, so that of two that fetch it at the same time one gets the token."""
    both = (CliLogin.page_hash == token_hash(page), CliLogin.token_hash == token_hash(token.reveal()))
    statement = (
        select(CliLogin.__table__, User.email)
        .join(User, User.id == CliLogin.user_id, isouter=True)
        .where(*both, CliLogin.expires_at > ctx.clock.now(), CliLogin.state != LoginState.FETCHED)
    )
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(statement.with_for_update(of=CliLogin))).one_or_none()
        if row is None:
            raise NotFound("login", "There is no such login any more. Begin anew.")
        if row.state == LoginState.ALLOWED:
            await tx.execute(update(CliLogin).where(CliLogin.id == row.id).values(state=LoginState.FETCHED))
    return row


async def forget_cli_logins(ctx: Context) -> None:
    """Delete those that are over. Part of the sweep."""
    old = select(CliLogin.id).where(CliLogin.expires_at <= ctx.clock.now()).limit(_AT_ONCE)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(CliLogin).where(CliLogin.id.in_(old.with_for_update(skip_locked=True))))


def short_code(page: str) -> str:
    """What both the command line and the page show: eight letters made from the address of the page."""
    digest = hashlib.sha256(b"cli-login:" + page.encode(errors="surrogatepass")).digest()
    letters = "".join("BCDFGHJKLMNPQRSTVWXZ"[byte % 20] for byte in digest[:8])
    return f"{letters[:4]}-{letters[4:]}"


def _open(ctx: Context, page: str) -> Any:
    named = CliLogin.page_hash == token_hash(page)
    alive = (CliLogin.state == LoginState.WAITING, CliLogin.expires_at > ctx.clock.now())
    return select(CliLogin.__table__).where(named, *alive)
