"""Time, injected: aware UTC only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class AheadClock:
    """A clock before the machine's: what a test clock goes by, see `ahead.py`."""

    def __init__(self, base: Clock) -> None:
        self.base = base
        self.ahead = timedelta()

    def now(self) -> datetime:
        return self.base.now() + self.ahead


def wall_of(clock: Clock) -> Clock:
    """The clock of everybody else: tokens and signatures go by it, which outsiders make and check."""
    return clock.base if isinstance(clock, AheadClock) else clock


def rfc3339(instant: datetime) -> str:
    """`2026-11-21T09:54:07Z`: whole seconds, as the Platform API writes times."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
