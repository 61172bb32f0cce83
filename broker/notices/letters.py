"""What a mail is, how words become one, and what comes of sending it. Pure; the words and SMTP are others' business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from broker.kernel.pauses import pause_after

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is written, in both forms."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail as it is sent. The id is the same however often it is tried, so that receivers may notice."""

    id: UUID
    address: str
    letter: Letter
    at: datetime


class UnknownKind(Exception):
    """There are no words for this kind of notice."""


class Compose(Protocol):
    """Whatever finds the words."""

    def letter(self, kind: str, facts: Mapping[str, Any]) -> Letter:
        """The mail of this kind.

        Raises: UnknownKind.
        """
        ...


class Fate(StrEnum):
    """What came of an attempt. `refused` is for ever: no such address, or no such mail."""

    SENT = "sent"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an attempt, and why."""

    fate: Fate
    error: str | None = None


class Post(Protocol):
    """Whatever sends mail; never raises for what mail servers do."""

    async def __call__(self, envelope: Envelope, /) -> Receipt: ...


def pause_before(attempt: int) -> timedelta:
    """How long to wait when the attempt of this number has failed: a minute, two, four, ... six hours."""
    return pause_after(attempt, FIRST_PAUSE, LONGEST_PAUSE, 0.5)
