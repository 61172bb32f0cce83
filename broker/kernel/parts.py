"""A part of a list that grows without end: at most so many, beyond an id. Ids are made in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a list that is wanted: at most `limit`, those beyond the one with the id `after`."""

    limit: int
    newest_first: bool = False
    after: UUID | None = None


NEWEST: Final = Part(1000, newest_first=True)
"""What is read where nobody says how much."""


def bounded(statement: Select[*tuple[Any, ...]], key: InstrumentedAttribute[UUID], part: Part) -> Select[Any]:
    """The rows of this part, in the order of their ids."""
    if part.after is not None:
        statement = statement.where(key < part.after if part.newest_first else key > part.after)
    return statement.order_by(key.desc() if part.newest_first else key.asc()).limit(part.limit)
