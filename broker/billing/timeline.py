"""From what happened to an add-on, in order, to the segments that are billed. Pure: replaying gives the same every time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from broker.billing.months import whole_second
from broker.billing.prices import PriceVersion


class Mode(StrEnum):
    """On which terms time is counted."""

    PAID = "paid"
    TRIAL = "trial"
    SUSPENDED = "suspended"
    """For want of payment: at the plan's price of suspension."""
    UNBILLED = "unbilled"
    """Suspended by our fault or the provider's."""
    SANDBOX = "sandbox"
    """Never on an invoice."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One add-on on one price, on one account, on one kind of terms: half-open [start, end); open while `end` is None."""

    resource: UUID
    activation: UUID
    account: UUID
    price: PriceVersion
    start: datetime
    end: datetime | None = None
    mode: Mode = Mode.PAID
    last: bool = False
    """Whether the activation ended with it."""


class ChangeKind(StrEnum):
    """What cuts time into segments. Attaching, renaming and rotating do not."""

    ACTIVATE = "activate"
    PLAN = "plan"
    """The provider confirmed another plan; also: another price version took effect."""
    TRANSFER = "transfer"
    MODE = "mode"
    """A trial ended, a suspension began or ended."""
    END = "end"
    """The destroy request was accepted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an add-on's history. `sequence` orders them, because clocks can be set back."""

    sequence: int
    kind: ChangeKind
    at: datetime
    price: PriceVersion | None = None
    account: UUID | None = None
    mode: Mode | None = None


def segments(resource: UUID, activation: UUID, changes: Iterable[Change]) -> list[Segment]:
    """The segments of one activation. What lasted no whole second is dropped; the later change of an instant wins."""
    found: list[Segment] = []
    current: Segment | None = None
    now: datetime | None = None
    for change in sorted(changes, key=lambda change: change.sequence):
        at = whole_second(change.at)
        now = at if now is None else max(now, at)  # a clock that was set back moves nothing back
        if current is None:
            if change.kind is ChangeKind.ACTIVATE:
                current = _first(resource, activation, change, now)
            continue
        following = _changed(current, change, now)
        _close(found, current, now, last=following is None)
        current = following
        if following is None:
            return found
    return found if current is None else [*found, current]


def _first(resource: UUID, activation: UUID, change: Change, at: datetime) -> Segment:
    assert change.price is not None, "an activation has a price"
    assert change.account is not None, "an activation has an account"
    return Segment(resource, activation, change.account, change.price, at, mode=change.mode or Mode.PAID)


def _changed(current: Segment, change: Change, at: datetime) -> Segment | None:
    if change.kind is ChangeKind.END:
        return None
    return replace(
        current,
        start=at,
        price=change.price or current.price,
        account=change.account or current.account,
        mode=change.mode or current.mode,
    )


def _close(found: list[Segment], current: Segment, at: datetime, *, last: bool) -> None:
    if current.start < at:
        found.append(replace(current, end=at, last=last))
    elif last and found and found[-1].end == at:
        found[-1] = replace(found[-1], last=True)
