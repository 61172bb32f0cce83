"""From a token to the actor. One statement: every request passes here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, or_, select, update

from broker.accounts.locked import refuse_locked
from broker.accounts.models import Authorization, User
from broker.accounts.tokens import token_hash
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.direct import Direct
from broker.kernel.errors import Unauthorized
from broker.kernel.secret import Secret

NOTED_EVERY: Final = timedelta(minutes=5)
"""How exactly the last use of a token is known: what is written at each request would cost more than the request."""

_API: Final = frozenset(scope.value for scope in Scope)
"""Others, such as `openid`, open nothing here."""


async def authenticate(ctx: Context, token: Secret) -> Actor:
    """Who holds this token. What an OAuth client holds is never an operator's.

    Raises: Unauthorized if it is unknown, revoked or expired; AccountLocked.
    """
    now = ctx.wall.now()
    rows = await _HOLDER.read(ctx.database, token_hash=token_hash(token.reveal()), now=now)
    if not rows:
        raise Unauthorized("Invalid credentials provided.")
    authorization_id, user_id, scopes, email, is_operator, client_id, only_apps, last_used_at, locked_at = rows[0]
    refuse_locked(ctx, locked_at)
    if last_used_at is None or last_used_at <= now - NOTED_EVERY:
        await _note_use(ctx, authorization_id, now)
    return Actor(
        user_id,
        email,
        frozenset(Scope(scope) for scope in scopes if scope in _API),
        authorization_id,
        is_operator and client_id is None,
        None if only_apps is None else frozenset(only_apps),
        client_id,
    )


async def _note_use(ctx: Context, authorization_id: UUID, now: datetime) -> None:
    statement = update(Authorization).where(Authorization.id == authorization_id).values(last_used_at=now)
    async with ctx.database.transaction() as tx:
        await tx.execute(statement)


_HOLDER: Final = Direct(
    select(
        Authorization.id,
        Authorization.user_id,
        Authorization.scopes,
        User.email,
        User.is_operator,
        Authorization.client_id,
        Authorization.only_apps,
        Authorization.last_used_at,
        User.locked_at,
    )
    .join(User, User.id == Authorization.user_id)
    .where(
        Authorization.token_hash == bindparam("token_hash"),
        Authorization.revoked_at.is_(None),
        User.team_name.is_(None),
        or_(Authorization.expires_at.is_(None), Authorization.expires_at > bindparam("now")),
    )
)
"""The valid authorization with this token hash, with its user."""
