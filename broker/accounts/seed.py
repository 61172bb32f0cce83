"""The first account of an installation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import Authorization, User
from broker.accounts.passwords import hash_password, password_fits
from broker.accounts.tokens import token_hash, token_hint
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret

_DESCRIPTION = "First token of this installation"


async def ensure_account(ctx: Context, email: str, password: Secret, token: Secret, *, operator: bool = False) -> UUID:
    """See to it that the account exists with this password and that this token is valid for it; the user's id.

    With `operator` it becomes one of those who run the installation; without, what it is stays.
    Safe to call at every start and from several processes: what is right already is left alone.
    Transactions: two, with the slow hashing between them.
    """
    async with ctx.database.transaction() as tx:
        known = (await tx.execute(_account(email))).one_or_none()
    fits = known is not None and await password_fits(known.password_hash, password)
    hashed = None if fits else await hash_password(password)
    async with ctx.database.transaction() as tx:
        user_id = await _ensure_user(ctx, tx, email, hashed)
        await _ensure_token(ctx, tx, user_id, token)
        if operator:
            await tx.execute(update(User).where(User.id == user_id).values(is_operator=True))
    return user_id


def _account(email: str) -> Select[*tuple[Any, ...]]:
    return select(User.id, User.password_hash).where(func.lower(User.email) == email.lower())


async def _ensure_user(ctx: Context, tx: Tx, email: str, hashed: str | None) -> UUID:
    now = ctx.clock.now()
    if hashed is not None:
        row = {"id": new_id(), "email": email, "password_hash": hashed, "created_at": now, "updated_at": now}
        created = insert(User).values(**row).on_conflict_do_nothing(index_elements=[text("lower(email)")])
        await tx.execute(created)
        changed = update(User).where(func.lower(User.email) == email.lower())
        await tx.execute(changed.values(password_hash=hashed, updated_at=now))
    found: UUID = (await tx.execute(_account(email))).one().id
    return found


async def _ensure_token(ctx: Context, tx: Tx, user_id: UUID, token: Secret) -> None:
    now = ctx.clock.now()
    row = {
        "id": new_id(),
        "user_id": user_id,
        "description": _DESCRIPTION,
        "scopes": ["global"],
        "token_hash": token_hash(token.reveal()),
        "hint": token_hint(token),
        "created_at": now,
        "updated_at": now,
    }
    valid = {"user_id": user_id, "revoked_at": None, "expires_at": None}
    statement = insert(Authorization).values(**row)
    await tx.execute(statement.on_conflict_do_update(index_elements=["token_hash"], set_=valid))
