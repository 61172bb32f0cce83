"""From a token to the actor. One statement: every request passes here."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, or_, select

from broker.accounts.models import Authorization, User
from broker.accounts.tokens import token_hash
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.direct import Direct
from broker.kernel.errors import Unauthorized
from broker.kernel.secret import Secret


async def authenticate(ctx: Context, token: Secret) -> Actor:
    """Who holds this token.

    Raises: Unauthorized if it is unknown, revoked or expired.
    """
    rows = await _HOLDER.read(ctx.database, token_hash=token_hash(token.reveal()), now=ctx.clock.now())
    if not rows:
        raise Unauthorized("Invalid credentials provided.")
    authorization_id, user_id, scopes, email, is_operator = rows[0]
    return Actor(user_id, email, frozenset(map(Scope, scopes)), authorization_id, is_operator)


_HOLDER: Final = Direct(
    select(Authorization.id, Authorization.user_id, Authorization.scopes, User.email, User.is_operator)
    .join(User, User.id == Authorization.user_id)
    .where(
        Authorization.token_hash == bindparam("token_hash"),
        Authorization.revoked_at.is_(None),
        or_(Authorization.expires_at.is_(None), Authorization.expires_at > bindparam("now")),
    )
)
"""The valid authorization with this token hash, with its user."""
