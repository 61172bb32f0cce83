"""Finding somebody to share an app with, to pay for it, or to have it: a person, or where that makes sense a team."""

from __future__ import annotations

from sqlalchemy import func, literal, or_, select

from broker.accounts.models import User
from broker.kernel.context import Person
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid

__all__ = ["Person", "find_person"]


async def find_person(tx: Tx, key: str, why: str, *, or_team: bool = False) -> Person:
    """The user of this e-mail address or id; `why` says what for it takes an account. With `or_team`, also a team, which may
    be named by its name, too.

    Raises: NotFound.
    """
    user_id = as_uuid(key)
    named = User.id == user_id if user_id else func.lower(User.email) == func.lower(literal(key))
    if or_team:
        named = or_(named, User.team_name == key) & User.team_ended_at.is_(None)
    else:
        named = named & User.team_name.is_(None)
    row = (await tx.execute(select(User.id, User.email).where(named))).one_or_none()
    if row is None:
        raise NotFound("user", f"Nobody has an account under that e-mail address here. {why}")
    return Person(row.id, row.email)
