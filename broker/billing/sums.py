"""Readings summed up where they are stored: one for each stretch of time and meter instead of some hundred thousand. Never commits.

A stretch lies within one segment, and statements end between stretches: what is computed of the sums is computed of their parts.
Meters that changed their kind, and whatever was voided, are read one by one; see `readings.py`. The pure core does not know which
of both it was given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import distinct_on

from broker.billing.metering import Reading
from broker.billing.models import UsageEvent
from broker.billing.months import Month, whole_second
from broker.billing.prices import MeterKind
from broker.billing.timeline import Segment
from broker.kernel.db import Tx

Meter = tuple[UUID, str]
"""A meter of an add-on, by name."""

_UNORDERED: Final = frozenset({MeterKind.COUNTER, MeterKind.MAXIMUM, MeterKind.UNIQUE})
"""Kinds that show the same in whatever order things happened."""
_SUMMABLE: Final = (_UNORDERED, frozenset({MeterKind.AVERAGE}), frozenset({MeterKind.CUMULATIVE}))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time, half-open, in which every reading of a meter comes to the same lines."""

    addon_id: UUID
    meter: str
    kind: MeterKind
    start: datetime
    end: datetime


async def can_be_summed(tx: Tx, kinds: Mapping[Meter, Collection[MeterKind]]) -> set[Meter]:
    """Those of these meters, which are of these kinds in the course of time, that need not be read one by one."""
    alike = {meter for meter, of in kinds.items() if any(group.issuperset(of) for group in _SUMMABLE)}
    voiding = await _voiding(tx, {addon_id for addon_id, _ in alike}) if alike else ()
    return {meter for meter in alike if meter[0] not in voiding}


async def _voiding(tx: Tx, addons: Iterable[UUID]) -> set[UUID]:
    """Those about which anything was taken back."""
    theirs = UsageEvent.addon_id == any_(literal(list(addons), ARRAY(Uuid)))
    voiding = select(UsageEvent.addon_id).where(theirs, UsageEvent.voids.is_not(None)).distinct()
    return set((await tx.execute(voiding)).scalars())


def stretches(
    segments: Iterable[Segment], summable: Collection[Meter], month: Month, ends: Sequence[datetime]
) -> list[Stretch]:
    """The month of these meters in parts, for statements as of one of `ends`, or of the month's end."""
    return [
        Stretch(segment.resource, meter.meter, meter.kind, start, end)
        for segment in segments
        for meter in segment.price.meters
        if (segment.resource, meter.meter) in summable
        for start, end in _cut(segment, month, ends, by_time=meter.kind is MeterKind.AVERAGE)
    ]


def _cut(
    segment: Segment, month: Month, ends: Sequence[datetime], *, by_time: bool
) -> Iterable[tuple[datetime, datetime]]:
    """What is weighted by time has whole seconds alone; elsewhere a reading of the second in which a statement ends counts."""
    start, end = max(segment.start, month.start), min(segment.end or month.end, month.end)
    if start >= end:
        return ()
    inner = {whole_second(each) if by_time else each for each in ends}
    return pairwise([start, *sorted(each for each in inner if start < each < end), end])


async def sums_in(tx: Tx, parts: Sequence[Stretch], month: Month, known_at: datetime | None) -> list[Reading]:
    """Readings that come to the same as all those in these parts of the month that had been reported by `known_at`."""
    of_kind: dict[MeterKind, list[Stretch]] = defaultdict(list)
    for part in sorted(parts, key=lambda part: part.start):
        of_kind[MeterKind.COUNTER if part.kind in _UNORDERED else part.kind].append(part)
    known = UsageEvent.received_at <= known_at if known_at is not None else UsageEvent.id.is_not(None)
    found: list[Reading] = []
    for kind, ours in of_kind.items():
        found += await _READ[kind](tx, ours, month, known)
    return found


async def _unordered(tx: Tx, parts: Sequence[Stretch], month: Month, known: ColumnElement[bool]) -> list[Reading]:
    """One for each part that has any, and for each subject of what counts subjects."""
    part = _rows(parts)
    subject = case((part.c.kind == MeterKind.UNIQUE, UsageEvent.subject), else_="").label("counted")
    highest = part.c.kind == MeterKind.MAXIMUM
    quantity = case((highest, func.max(UsageEvent.quantity)), else_=func.sum(UsageEvent.quantity))
    of_part = and_(UsageEvent.addon_id == part.c.addon_id, UsageEvent.meter == part.c.meter)
    within = and_(UsageEvent.at >= part.c.starts_at, UsageEvent.at < part.c.ends_at)
    sums = (
        select(part.c.addon_id, part.c.meter, subject, quantity, func.max(UsageEvent.at))
        .join(UsageEvent, and_(of_part, within, known))
        .group_by(part.c.addon_id, part.c.meter, part.c.kind, part.c.starts_at, subject)
    )
    return [
        _reading((addon_id, meter), _fraction(total), at, subject)
        for addon_id, meter, subject, total, at in await tx.execute(sums)
    ]


async def _averages(tx: Tx, parts: Sequence[Stretch], month: Month, known: ColumnElement[bool]) -> list[Reading]:
    """What stood in each part, as if it had stood there from its beginning on."""
    part = _rows(parts)
    order = (UsageEvent.at, UsageEvent.source.collate("C"), UsageEvent.id.collate("C"))
    meters = select(part.c.addon_id, part.c.meter).distinct().subquery()
    of_meter = and_(UsageEvent.addon_id == meters.c.addon_id, UsageEvent.meter == meters.c.meter, known)
    columns = (
        UsageEvent.addon_id,
        UsageEvent.meter,
        UsageEvent.at,
        UsageEvent.source,
        UsageEvent.id,
        UsageEvent.quantity,
    )
    during = select(*columns).join(meters, and_(of_meter, UsageEvent.at >= month.start, UsageEvent.at < month.end))
    before = (
        select(*columns)
        .join(meters, and_(of_meter, UsageEvent.at < month.start))
        .ext(distinct_on(UsageEvent.addon_id, UsageEvent.meter))
        .order_by(UsageEvent.addon_id, UsageEvent.meter, *(each.desc() for each in order))
    )
    read = during.union_all(before.subquery().select()).subquery()
    following = func.lead(read.c.at).over(
        partition_by=(read.c.addon_id, read.c.meter),
        order_by=(read.c.at, read.c.source.collate("C"), read.c.id.collate("C")),
    )
    stood = select(read.c.addon_id, read.c.meter, read.c.quantity, read.c.at, following.label("until")).subquery()
    seconds = extract(
        "epoch",
        func.least(stood.c.until, part.c.ends_at) - func.greatest(stood.c.at, part.c.starts_at),  # nulls are left out
    )
    touching = and_(stood.c.at < part.c.ends_at, or_(stood.c.until.is_(None), stood.c.until > part.c.starts_at))
    sums = (
        select(part.c.addon_id, part.c.meter, part.c.starts_at, part.c.ends_at, func.sum(stood.c.quantity * seconds))
        .join(stood, and_(stood.c.addon_id == part.c.addon_id, stood.c.meter == part.c.meter, touching))
        .group_by(part.c.addon_id, part.c.meter, part.c.starts_at, part.c.ends_at)
    )
    return [
        _reading((addon_id, meter), _fraction(total) / int((end - start).total_seconds()), start)
        for addon_id, meter, start, end, total in await tx.execute(sums)
    ]


async def _running_totals(tx: Tx, parts: Sequence[Stretch], month: Month, known: ColumnElement[bool]) -> list[Reading]:
    """What was added in each part, to all before: whatever counted it, and however often that began again."""
    part = _rows(parts)
    meters = select(part.c.addon_id, part.c.meter).distinct().subquery()
    of_meter = and_(UsageEvent.addon_id == meters.c.addon_id, UsageEvent.meter == meters.c.meter, known)
    counted = (UsageEvent.addon_id, UsageEvent.meter, UsageEvent.source, UsageEvent.subject)
    columns = (*counted, UsageEvent.at, UsageEvent.id, UsageEvent.quantity)
    during = select(*columns).join(meters, and_(of_meter, UsageEvent.at >= month.start, UsageEvent.at < month.end))
    before = (
        select(*columns)
        .join(meters, and_(of_meter, UsageEvent.at < month.start))
        .ext(distinct_on(*counted))
        .order_by(*counted, UsageEvent.at.desc(), UsageEvent.id.collate("C").desc())
    )
    read = during.union_all(before.subquery().select()).subquery()
    same = (read.c.addon_id, read.c.meter, read.c.source, read.c.subject)
    earlier = func.lag(read.c.quantity, 1, 0).over(partition_by=same, order_by=(read.c.at, read.c.id.collate("C")))
    totals = select(*same[:2], read.c.at, read.c.quantity, earlier.label("earlier")).subquery()
    added = case((totals.c.quantity >= totals.c.earlier, totals.c.quantity - totals.c.earlier), else_=totals.c.quantity)
    within = and_(totals.c.at >= part.c.starts_at, totals.c.at < part.c.ends_at)
    sums = (
        select(part.c.addon_id, part.c.meter, func.sum(added), func.max(totals.c.at).label("at"))
        .join(totals, and_(totals.c.addon_id == part.c.addon_id, totals.c.meter == part.c.meter, within))
        .group_by(part.c.addon_id, part.c.meter, part.c.starts_at)
        .order_by("at")
    )
    reached: dict[Meter, Fraction] = defaultdict(Fraction)
    found = []
    for addon_id, meter, more, at in await tx.execute(sums):
        reached[addon_id, meter] += _fraction(more)
        found.append(_reading((addon_id, meter), reached[addon_id, meter], at))
    return found


_READ: Final = {
    MeterKind.COUNTER: _unordered,
    MeterKind.AVERAGE: _averages,
    MeterKind.CUMULATIVE: _running_totals,
}


def _reading(meter: Meter, quantity: Fraction, at: datetime, subject: str = "") -> Reading:
    addon_id, name = meter
    return Reading("", f"{addon_id} {name} {at} {subject}", addon_id, name, quantity, at, subject)


def _fraction(value: Any) -> Fraction:
    return Fraction(*value.as_integer_ratio())


def _rows(parts: Sequence[Stretch]) -> CTE:
    columns: list[Any] = [
        [part.addon_id for part in parts],
        [part.meter for part in parts],
        [part.kind for part in parts],
        [part.start for part in parts],
        [part.end for part in parts],
    ]
    rows = (
        func.unnest(*(cast(column, kind) for column, kind in zip(columns, _STRETCH, strict=True)))
        .table_valued("addon_id", "meter", "kind", "starts_at", "ends_at")
        .render_derived()
    )
    return select(rows).cte("part")


_INSTANTS: Final = ARRAY(DateTime(timezone=True))
_STRETCH: Final[tuple[ARRAY[Any], ...]] = (ARRAY(Uuid), ARRAY(Text), ARRAY(Text), _INSTANTS, _INSTANTS)
