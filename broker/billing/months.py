"""Billing months: calendar months in the zone of whoever pays, as instants in UTC. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_SECOND: Final = timedelta(seconds=1)
_LEAP_SECOND: Final = re.compile(r"(\d\d:\d\d):60(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month, half-open [start, end), in real elapsed time."""

    year: int
    month: int
    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        """Its whole length: the denominator of every share of it, whenever something began."""
        return (self.end - self.start) // _SECOND

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


@lru_cache(maxsize=1024)
def month_at(year: int, month: int, zone: str = "UTC") -> Month:
    """The month as its zone has it: an hour longer or shorter where clocks are changed."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return Month(year, month, _midnight(year, month, zone), _midnight(*following, zone))


def month_of(at: datetime, zone: str = "UTC") -> Month:
    """The month that an instant belongs to; its first instant belongs to it, its end to the next one."""
    local = at.astimezone(ZoneInfo(zone))
    found = month_at(local.year, local.month, zone)
    if at < found.start:  # the midnight that began it was skipped by a change of clocks
        before = local.replace(day=1) - timedelta(days=1)
        return month_at(before.year, before.month, zone)
    return found


def _midnight(year: int, month: int, zone: str) -> datetime:
    # Converted before anything is subtracted: two local times of one zone differ as if clocks were never changed.
    return datetime(year, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def local_days_after(at: datetime, days: int, zone: str) -> datetime:
    """The same time of day so many days later, as the zone has it: where clocks are changed, a day is longer or shorter.

    A time of day that is skipped becomes as much later as clocks are put forward.
    """
    local = at.astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).replace(fold=0).astimezone(UTC) if days else at.astimezone(UTC)


def whole_second(at: datetime) -> datetime:
    """The instant as it is billed: in UTC, its fraction of a second cut off."""
    if at.tzinfo is UTC and not at.microsecond:
        return at
    return at.astimezone(UTC).replace(microsecond=0)


def read_instant(text: str) -> datetime:
    """An instant in RFC 3339, as whole seconds; a leap second is the next second.

    Raises: ValueError, if it is none or has no offset.
    """
    plain, leaps = _LEAP_SECOND.subn(r"\1:59", text)
    at = datetime.fromisoformat(plain)
    if at.tzinfo is None:
        raise ValueError("no offset")
    return whole_second(at) + timedelta(seconds=leaps)
