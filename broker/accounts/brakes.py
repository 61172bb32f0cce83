"""Brakes on what may not be tried without end, counted in the database: all processes together, and across restarts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.proof_models import Brake
from broker.kernel.context import Context
from broker.kernel.errors import RateLimited

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Allowance:
    """How often something may be tried within a time, and what whoever tries it more often is told."""

    what: str
    most: int
    window: timedelta
    refusal: str


async def count(ctx: Context, allowance: Allowance, *who: str) -> int:
    """Count an attempt before it is made, so that attempts at the same time count too; the how-manieth it is.

    Transactions: one of its own, so that it counts whatever becomes of the attempt.
    Raises: RateLimited.
    """
    now = ctx.clock.now()
    row = {"key": _key(allowance, who), "attempts": 1, "ends_at": now + allowance.window}
    over = Brake.ends_at <= now
    counted = {
        "attempts": case((over, 1), else_=Brake.attempts + 1),
        "ends_at": case((over, now + allowance.window), else_=Brake.ends_at),
    }
    statement = insert(Brake).values(row).on_conflict_do_update(index_elements=["key"], set_=counted)
    async with ctx.database.transaction() as tx:
        attempts: int = (await tx.execute(statement.returning(Brake.attempts))).scalar_one()
    if attempts > allowance.most:
        raise RateLimited(allowance.refusal)
    return attempts


async def release(ctx: Context, allowance: Allowance, *who: str) -> None:
    """Forget the attempts: the right person is there."""
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(Brake).where(Brake.key == _key(allowance, who)))


async def forget_brakes(ctx: Context) -> None:
    """Delete those that are over. Part of the sweep."""
    old = select(Brake.key).where(Brake.ends_at <= ctx.clock.now()).limit(_AT_ONCE).with_for_update(skip_locked=True)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(Brake).where(Brake.key.in_(old)))


def _key(allowance: Allowance, who: Sequence[str]) -> bytes:
    words = "\0".join((allowance.what, *who))
    return hashlib.sha256(words.casefold().encode(errors="surrogatepass")).digest()
