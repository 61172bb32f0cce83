"""What one attempt to tell an event is, what a receiver answers, and what follows from that. Pure; no table, no HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Protocol
from uuid import UUID

from broker.events.models import DeliveryStatus, Level
from broker.kernel.pauses import pause_after
from broker.kernel.secret import Secret

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: all that is needed to send it, and the number under which its end is accepted."""

    id: UUID
    webhook_id: UUID
    delivery_id: UUID
    event_id: UUID
    fencing: int
    number: int
    level: Level
    url: str
    at: datetime
    deadline_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    secret: Secret
    authorization: Secret | None

    @property
    def body(self) -> bytes:
        """What is sent and signed: the payload, and which attempt of which delivery this is."""
        about = {
            "attempt": {"id": str(self.id)},
            "delivery": {"id": str(self.delivery_id)},
            "event": {"id": str(self.event_id), "include": f"api:{self.payload['resource']}"},
            "webhook": {"id": str(self.webhook_id)},
        }
        return json.dumps({**self.payload, "webhook_metadata": about}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an attempt: a status, or the reason why there is none."""

    code: int | None
    error: str | None = None

    @property
    def is_delivered(self) -> bool:
        return self.code is not None and HTTPStatus.OK <= self.code < HTTPStatus.MULTIPLE_CHOICES


class Send(Protocol):
    """Whatever makes attempts; never raises for what receivers do."""

    async def __call__(self, attempt: Attempt, /) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery. Without `next_at` it is over."""

    status: DeliveryStatus
    next_at: datetime | None = None


def judge(attempt: Attempt, receipt: Receipt, now: datetime, chance: float) -> Verdict:
    """What follows from a receipt. `chance` in [0, 1) spreads the retries.

    An event that got its turn when its time was over has had its single try and is skipped.
    """
    if receipt.is_delivered:
        return Verdict(DeliveryStatus.SUCCEEDED)
    if attempt.level is Level.NOTIFY:
        return Verdict(DeliveryStatus.FAILED)
    pause = pause_after(attempt.number, FIRST_PAUSE, LONGEST_PAUSE, chance)
    if now + pause <= attempt.deadline_at:
        return Verdict(DeliveryStatus.RETRYING, now + pause)
    return Verdict(DeliveryStatus.SKIPPED if attempt.number == 1 else DeliveryStatus.FAILED)
