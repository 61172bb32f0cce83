"""Requests that their sender repeats after a broken connection: remembered by key, with what they made.

Only the id of what was made is kept, never an answer: a repetition is answered from the present state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import IdempotencyKey
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.ids import new_id

KEPT: Final = timedelta(hours=24)
ABANDONED: Final = timedelta(minutes=5)
"""After this, a request without a result has died with its process, and may be taken over."""
LONGEST_KEY: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")


@dataclass(frozen=True, slots=True)
class Begun:
    """A request that may be answered now. What it makes gets this id, so that it cannot be made twice."""

    reserved_id: UUID
    taken_over: bool
    """Whether an earlier attempt has died, and may have made it already."""


async def begin(ctx: Context, actor: Actor, key: str, digest: bytes) -> Begun | UUID:
    """Take the key for this request: how to go on, or the id of what the same request made before.

    Transactions: one of its own.
    Raises: InvalidParams if the key was used for another request; Conflict while the first one is being answered.
    """
    if not _KEY.fullmatch(key):
        raise InvalidParams(f"Idempotency-Key: must have 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID.")
    now, reserved = ctx.clock.now(), new_id()
    old = IdempotencyKey.created_at <= now - KEPT
    row = {"user_id": actor.id, "key": key, "digest": digest, "reserved_id": reserved, "created_at": now}
    taken = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.key)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(IdempotencyKey).where(IdempotencyKey.user_id == actor.id, old))
        if (await tx.execute(taken)).scalar() is not None:
            return Begun(reserved, taken_over=False)
        return await _repeated(tx, _mine(actor, key), digest, reserved, now)


async def _repeated(tx: Tx, mine: ColumnElement[bool], digest: bytes, reserved: UUID, now: datetime) -> Begun | UUID:
    known = (IdempotencyKey.digest, IdempotencyKey.subject_id, IdempotencyKey.reserved_id, IdempotencyKey.created_at)
    row = (await tx.execute(select(*known).where(mine).with_for_update())).one_or_none()
    if row is not None and row.digest != digest:
        raise InvalidParams("Idempotency-Key: was used for another request; use a fresh key for each.")
    if row is not None and row.subject_id is not None:
        made: UUID = row.subject_id
        return made
    if row is None or row.created_at > now - ABANDONED:
        raise Conflict("The same request is being answered right now; ask again in a few seconds.")
    begun = Begun(row.reserved_id or reserved, taken_over=True)
    await tx.execute(update(IdempotencyKey).where(mine).values(created_at=now, reserved_id=begun.reserved_id))
    return begun


def _mine(actor: Actor, key: str) -> ColumnElement[bool]:
    return (IdempotencyKey.user_id == actor.id) & (IdempotencyKey.key == key)


async def finish(ctx: Context, actor: Actor, key: str, subject_id: UUID | None) -> None:
    """Remember what the request made, or forget the request if it made nothing."""
    mine = _mine(actor, key)
    statement = delete(IdempotencyKey).where(mine)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(IdempotencyKey).where(mine).values(subject_id=subject_id) if subject_id else statement)
