"""Times as pages write them."""

from __future__ import annotations

from datetime import datetime


def day(instant: datetime) -> str:
    """`21 November 2026`."""
    return f"{instant.day} {instant:%B %Y}"


def moment(instant: datetime) -> str:
    """`21 November 2026, about 09:50 UTC`: rounded down to five minutes, which is as exactly as most of them are known."""
    return f"{day(instant)}, about {instant.hour:02}:{instant.minute // 5 * 5:02} UTC"
