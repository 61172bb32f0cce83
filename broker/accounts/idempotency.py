"""Requests that their sender repeats after a broken connection: remembered by key, with what they made.

Only the id of what was made is kept, never an answer: a repetition is answered from the present state.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import IdempotencyKey
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams

KEPT: Final = timedelta(hours=24)
ABANDONED: Final = timedelta(minutes=5)
"""After this, a request without a result has died with its process, and may be tried again."""
LONGEST_KEY: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")


async def begin(ctx: Context, actor: Actor, key: str, digest: bytes) -> UUID | None:
    """Take the key for this request: None to go on, or the id of what the same request made before.

    Transactions: one of its own.
    Raises: InvalidParams if the key was used for another request; Conflict while the first one is being answered.
    """
    if not _KEY.fullmatch(key):
        raise InvalidParams(f"Idempotency-Key: must have 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID.")
    now = ctx.clock.now()
    mine = (IdempotencyKey.user_id == actor.id, IdempotencyKey.key == key)
    old = IdempotencyKey.created_at <= now - KEPT
    dead = IdempotencyKey.subject_id.is_(None) & (IdempotencyKey.created_at <= now - ABANDONED)
    taken = insert(IdempotencyKey).values(user_id=actor.id, key=key, digest=digest, created_at=now)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(IdempotencyKey).where(IdempotencyKey.user_id == actor.id, old | dead))
        if (await tx.execute(taken.on_conflict_do_nothing().returning(IdempotencyKey.key))).scalar() is not None:
            return None
        row = (await tx.execute(select(IdempotencyKey.digest, IdempotencyKey.subject_id).where(*mine))).one_or_none()
    if row is None or (row.subject_id is None and row.digest == digest):
        raise Conflict("The same request is being answered right now; ask again in a few seconds.")
    if row.digest != digest:
        raise InvalidParams("Idempotency-Key: was used for another request; use a fresh key for each.")
    subject_id: UUID = row.subject_id
    return subject_id


async def finish(ctx: Context, actor: Actor, key: str, subject_id: UUID | None) -> None:
    """Remember what the request made, or forget the request if it made nothing."""
    mine = (IdempotencyKey.user_id == actor.id, IdempotencyKey.key == key)
    statement = delete(IdempotencyKey).where(*mine)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(IdempotencyKey).where(*mine).values(subject_id=subject_id) if subject_id else statement)
