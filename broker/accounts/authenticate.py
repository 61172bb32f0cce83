"""From a token to the actor. One statement: every request passes here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select

from broker.accounts.models import Authorization, User
from broker.accounts.tokens import token_hash
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Unauthorized
from broker.kernel.secret import Secret


async def authenticate(ctx: Context, token: Secret) -> Actor:
    """Who holds this token.

    Raises: Unauthorized if it is unknown, revoked or expired.
    """
    async with ctx.database.transaction() as tx:
        return await authenticate_in(tx, token, ctx.clock.now())


async def authenticate_in(tx: Tx, token: Secret, now: datetime) -> Actor:
    """The same inside a transaction.

    Raises: Unauthorized.
    """
    row = (await tx.execute(holder_of(token_hash(token.reveal()), now))).one_or_none()
    if row is None:
        raise Unauthorized("Invalid credentials provided.")
    return Actor(row.user_id, row.email, frozenset(map(Scope, row.scopes)), row.id)


def holder_of(hashed: bytes, now: datetime) -> Select[*tuple[Any, ...]]:
    """The valid authorization with this token hash, with its user."""
    valid = or_(Authorization.expires_at.is_(None), Authorization.expires_at > now)
    return (
        select(Authorization.id, Authorization.user_id, Authorization.scopes, User.email)
        .join(User, User.id == Authorization.user_id)
        .where(Authorization.token_hash == hashed, Authorization.revoked_at.is_(None), valid)
    )
