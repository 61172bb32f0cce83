"""Asking for a code of the second factor before something is destroyed with a token, if the account wants that.

A token that has shown a code for an app need not show another for a while.
Source: the two-factor flow of the Heroku CLI (`PUT /apps/{app}/pre-authorizations`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.accounts.proof_models import PreAuthorization
from broker.accounts.two_factor import check_code, check_code_of_token
from broker.kernel.context import Actor, Context
from broker.kernel.errors import TwoFactorRequired
from broker.kernel.secret import Secret

LIFE: Final = timedelta(minutes=5)
_ASKED: Final = "A two-factor code is required to destroy {}: this account asks for one."


async def pre_authorize(ctx: Context, actor: Actor, app_id: UUID, code: Secret | None) -> None:
    """Note that this token has shown a code for the app. Whether the actor sees the app was asked before.

    Raises: TwoFactorRequired, RateLimited, Forbidden.
    """
    actor.require_own_token()
    await _check(ctx, actor, code)
    until = ctx.clock.now() + LIFE
    row = {"authorization_id": actor.authorization_id, "app_id": app_id, "expires_at": until}
    kept = insert(PreAuthorization).values(row)
    kept = kept.on_conflict_do_update(index_elements=["authorization_id", "app_id"], set_={"expires_at": until})
    over = PreAuthorization.expires_at <= ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(PreAuthorization).where(over))
        if actor.authorization_id is not None:
            await tx.execute(kept)


async def asks_for_codes(ctx: Context, actor: Actor) -> bool:
    """Whether this account wants a code before something is destroyed."""
    async with ctx.database.transaction() as tx:
        return bool((await tx.execute(select(User.asks_for_codes).where(User.id == actor.id))).scalar())


async def require_code(ctx: Context, actor: Actor, app_id: UUID, app: str, code: Secret | None) -> None:
    """Go on with destroying for an account that asks for codes only if this token has shown one.

    Raises: TwoFactorRequired, with the app, so that clients know where to show it; RateLimited.
    """
    fresh = (
        PreAuthorization.authorization_id == actor.authorization_id,
        PreAuthorization.app_id == app_id,
        PreAuthorization.expires_at > ctx.clock.now(),
    )
    async with ctx.database.transaction() as tx:
        if (await tx.execute(select(PreAuthorization.app_id).where(*fresh))).first():
            return
    if code is None:
        raise TwoFactorRequired(_ASKED.format(app), app={"id": str(app_id), "name": app})
    await _check(ctx, actor, code)


async def _check(ctx: Context, actor: Actor, code: Secret | None) -> None:
    if actor.authorization_id is None:
        await check_code(ctx, actor.id, actor.email, code)
    else:
        await check_code_of_token(ctx, actor, actor.authorization_id, code)
