"""How many requests one process works on at a time. Those that only wait for an outcome are counted apart: they cost little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_WAITING_PER_PLACE: Final = 10


class Places:
    """The places of one process, counted and never queued for: whoever finds none is told at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting = 0

    def full(self) -> bool:
        """Whether one more request would be too much."""
        return self._taken >= self._most or self._waiting >= self._most * _WAITING_PER_PLACE

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for a request."""
        self._taken += 1
        token = _mine.set(self)
        try:
            yield
        finally:
            _mine.reset(token)
            self._taken -= 1

    @contextmanager
    def _lent(self) -> Iterator[None]:
        self._taken, self._waiting = self._taken - 1, self._waiting + 1
        try:
            yield
        finally:
            self._taken, self._waiting = self._taken + 1, self._waiting - 1


_mine: ContextVar[Places | None] = ContextVar("places", default=None)


@contextmanager
def place_lent() -> Iterator[None]:
    """Leave the place of this request to others while it waits for something that takes neither connection nor processor.

    It is taken again without asking: an answer that has been waited for is not thrown away for want of a place.
    """
    places = _mine.get()
    if places is None:
        yield
        return
    with places._lent():
        yield
