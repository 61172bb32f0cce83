"""From readings of meters to one quantity per month. Pure, and independent of the order in which readings arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from broker.billing.prices import MeterKind


@dataclass(frozen=True, slots=True)
class Reading:
    """A fact that a provider reported. `(source, id)` names it for ever; `voids` names one of the same source to forget."""

    source: str
    id: str
    resource: UUID
    meter: str
    quantity: Fraction
    at: datetime
    subject: str = ""
    """What was counted, for meters of different things."""
    voids: str | None = None


def in_force(readings: Iterable[Reading]) -> list[Reading]:
    """The readings that count: once each, without those that were voided and those that void. In order of time."""
    by_name = {(reading.source, reading.id): reading for reading in readings}
    voiding: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, reading in by_name.items():
        if reading.voids is not None:
            voiding[reading.source, reading.voids].append(name)
    counting = [
        reading
        for name, reading in by_name.items()
        if reading.voids is None and not _voided(name, voiding, frozenset())
    ]
    return sorted(counting, key=lambda reading: (reading.at, reading.source, reading.id))


def _voided(
    name: tuple[str, str], voiding: dict[tuple[str, str], list[tuple[str, str]]], seen: frozenset[tuple[str, str]]
) -> bool:
    """Whether anything that is not voided itself voids it."""
    if name in seen:
        return False
    return any(not _voided(by, voiding, seen | {name}) for by in voiding.get(name, ()))


def quantity(
    kind: MeterKind, readings: Sequence[Reading], spans: Sequence[tuple[datetime, datetime]], month_s: int
) -> Fraction:
    """What a meter shows for a month, from its readings in order of time, while the add-on was on a price (`spans`)."""
    if kind is MeterKind.AVERAGE:
        return _average(readings, spans, month_s)
    if kind is MeterKind.CUMULATIVE:
        kind, readings = MeterKind.COUNTER, _increases(readings)
    inside = [reading for reading in readings if _within(reading.at, spans)]
    if not inside:
        return Fraction(0)
    if kind is MeterKind.COUNTER:
        return max(sum((reading.quantity for reading in inside), Fraction(0)), Fraction(0))
    if kind is MeterKind.MAXIMUM:
        return max(reading.quantity for reading in inside)
    if kind is MeterKind.LAST:
        return inside[-1].quantity
    return Fraction(len({reading.subject for reading in inside}))


def _within(at: datetime, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(start <= at < end for start, end in spans)


def _average(readings: Sequence[Reading], spans: Sequence[tuple[datetime, datetime]], month_s: int) -> Fraction:
    """Each reading stands until the next one; before the first there is nothing."""
    total = Fraction(0)
    followers = (*readings[1:], None) if readings else ()
    for reading, following in zip(readings, followers, strict=True):
        for start, end in spans:
            begins, ends = max(reading.at, start), end if following is None else min(following.at, end)
            if begins < ends:
                total += reading.quantity * int((ends - begins).total_seconds())
    return total / month_s


def _increases(readings: Sequence[Reading]) -> list[Reading]:
    """Running totals as counters: each source counts each of its subjects for itself."""
    totals: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        totals[reading.source, reading.subject].append(reading)
    return [
        replace(reading, quantity=added)
        for counted in totals.values()
        for reading, (_, added) in zip(counted, differences((r.at, r.quantity) for r in counted), strict=True)
    ]


def differences(totals: Iterable[tuple[datetime, Fraction]]) -> list[tuple[datetime, Fraction]]:
    """What cumulative totals, in order of time, say was used in between; a total that fell began again from nothing."""
    found: list[tuple[datetime, Fraction]] = []
    before = Fraction(0)
    for at, total in totals:
        found.append((at, total - before if total >= before else total))
        before = total
    return found
