"""Times as pages write them."""

from __future__ import annotations

from calendar import month_name
from datetime import datetime


def day(instant: datetime) -> str:
    """`21 November 2026`."""
    return f"{instant.day} {instant:%B %Y}"


def minute(instant: datetime) -> str:
    """`21 November 2026, 09:54 UTC`."""
    return f"{day(instant)}, {instant:%H:%M} UTC"


def moment(instant: datetime) -> str:
    """`21 November 2026, about 09:50 UTC`: rounded down to five minutes, which is as exactly as most of them are known."""
    return f"{day(instant)}, about {instant.hour:02}:{instant.minute // 5 * 5:02} UTC"


def month_words(month: str) -> str:
    """`November 2026` of `2026-11`."""
    return f"{month_name[int(month[5:])]} {month[:4]}"


def exactly(instant: datetime) -> str:
    """`2026-11-21 09:54:07 UTC`: for tables that are compared with logs."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
