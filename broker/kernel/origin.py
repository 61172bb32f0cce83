"""From where a request came: bound once at the edge, so that every fact recorded on the way can tell. Work of the broker has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """The address of whoever sent a request, as far as it is known, and the id that the request was given."""

    address: str | None = None
    request_id: UUID | None = None


_NOWHERE: Final = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def current_origin() -> Origin:
    """That of the request that is being answered."""
    return _origin.get()


@contextmanager
def bound_origin(origin: Origin) -> Iterator[None]:
    """Answer a request from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
