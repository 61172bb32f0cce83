"""Whether an account is locked: the check that every way in goes through. Locking and unlocking are `locking.py`'s.

Requests with a token or a cookie are refused by the statements that find whose it is. What makes a token or a session, or
signs somebody on elsewhere, asks here in its own transaction, so that it and a lock at the same moment come one after the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from broker.accounts.models import User
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import AccountLocked


async def require_unlocked(tx: Tx, ctx: Context, user_id: UUID) -> None:
    """Go on only if the account is not locked, which it will not be before the transaction ends.

    Raises: AccountLocked.
    """
    refuse_locked(ctx, (await tx.execute(locked_since(user_id))).scalar())


async def note_login(tx: Tx, ctx: Context, user_id: UUID) -> None:
    """Write down that somebody comes in who has shown all that is needed, unless the account is locked.

    Raises: AccountLocked.
    """
    came_in = update(User).where(User.id == user_id).values(last_login=ctx.clock.now())
    refuse_locked(ctx, (await tx.execute(came_in.returning(User.locked_at))).scalar())


def refuse_locked(ctx: Context, locked_at: datetime | None) -> None:
    """Go on only if an account that was read is not locked.

    Raises: AccountLocked.
    """
    if locked_at is not None:
        raise AccountLocked(ctx.rules.contact)


def locked_since(user_id: UUID) -> Select[Any]:
    """Since when an account is locked; whoever wants to change that waits until the transaction ends."""
    return select(User.locked_at).where(User.id == user_id).with_for_update(read=True)
