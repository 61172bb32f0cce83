"""Finding somebody to share an app with, to pay for it, or to have it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, literal, select

from broker.accounts.models import User
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has an account."""

    id: UUID
    email: str


async def find_person(tx: Tx, key: str, why: str) -> Person:
    """The user of this e-mail address or id; `why` says what for it takes an account.

    Raises: NotFound.
    """
    user_id = as_uuid(key)
    named = User.id == user_id if user_id else func.lower(User.email) == func.lower(literal(key))
    row = (await tx.execute(select(User.id, User.email).where(named))).one_or_none()
    if row is None:
        raise NotFound("user", f"Nobody has an account under that e-mail address here. {why}")
    return Person(row.id, row.email)
