"""Readings summed up where they are stored: one for each stretch of time and meter instead of some hundred thousand. Never commits.

A stretch lies within one segment, and the statement ends in none: whatever is computed of the sum is computed of its parts. What
meters show by the order of their readings, and what was voided, is read one by one; see `readings.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Numeric, Text, Uuid, and_, any_, case, cast, func, literal, select, type_coerce

from broker.billing.metering import Reading
from broker.billing.models import UsageEvent
from broker.billing.months import Month
from broker.billing.prices import MeterKind
from broker.billing.timeline import Segment
from broker.kernel.db import Tx

Meter = tuple[UUID, str]
"""A meter of an add-on, by name."""

_SUMMED: Final = frozenset({MeterKind.COUNTER, MeterKind.MAXIMUM, MeterKind.UNIQUE})


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
    alike = {meter for meter, of in kinds.items() if _SUMMED.issuperset(of)}
    voiding = await _voiding(tx, {addon_id for addon_id, _ in alike}) if alike else ()
    return {meter for meter in alike if meter[0] not in voiding}


def stretches(
    segments: Iterable[Segment], summable: Collection[Meter], month: Month, ends: Sequence[datetime]
) -> list[Stretch]:
    """The month of these meters in parts, for statements as of one of `ends`, or of the month's end."""
    return [
        Stretch(segment.resource, meter.meter, meter.kind, start, end)
        for segment in segments
        for meter in segment.price.meters
        if (segment.resource, meter.meter) in summable
        for start, end in _cut(segment, month, ends)
    ]


def _cut(segment: Segment, month: Month, ends: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    start, end = max(segment.start, month.start), min(segment.end or month.end, month.end)
    if start >= end:
        return []
    cuts = [start, *sorted({each for each in ends if start < each < end}), end]
    return list(pairwise(cuts))


async def _voiding(tx: Tx, addons: Iterable[UUID]) -> set[UUID]:
    """Those about which anything was taken back."""
    theirs = UsageEvent.addon_id == any_(literal(list(addons), ARRAY(Uuid)))
    voiding = select(UsageEvent.addon_id).where(theirs, UsageEvent.voids.is_not(None)).distinct()
    return set((await tx.execute(voiding)).scalars())


async def sums_in(tx: Tx, summed: Sequence[Stretch], known_at: datetime | None) -> list[Reading]:
    """A reading for each stretch that has any, and for each subject of what counts subjects."""
    if not summed:
        return []
    columns: list[Any] = [
        [each.addon_id for each in summed],
        [each.meter for each in summed],
        [each.kind for each in summed],
        [each.start for each in summed],
        [each.end for each in summed],
    ]
    part = (
        func.unnest(*(cast(column, kind) for column, kind in zip(columns, _STRETCH, strict=True)))
        .table_valued("addon_id", "meter", "kind", "starts_at", "ends_at")
        .render_derived()
    )
    subject = case((part.c.kind == MeterKind.UNIQUE, UsageEvent.subject), else_="").label("subject")
    highest = part.c.kind == MeterKind.MAXIMUM
    quantity = case((highest, func.max(UsageEvent.quantity)), else_=func.sum(UsageEvent.quantity))
    within = and_(
        UsageEvent.addon_id == part.c.addon_id,
        UsageEvent.meter == part.c.meter,
        UsageEvent.at >= part.c.starts_at,
        UsageEvent.at < part.c.ends_at,
    )
    keys = (part.c.addon_id, part.c.meter, part.c.kind, part.c.starts_at, subject)
    found = select(part.c.addon_id, part.c.meter, subject, type_coerce(quantity, Numeric), func.max(UsageEvent.at))
    found = found.select_from(part).join(UsageEvent, within).group_by(*keys)
    if known_at is not None:
        found = found.where(UsageEvent.received_at <= known_at)
    return [
        Reading("", f"{addon} {meter} {at} {subject}", addon, meter, Fraction(*total.as_integer_ratio()), at, subject)
        for addon, meter, subject, total, at in await tx.execute(found)
    ]


_INSTANTS: Final = ARRAY(DateTime(timezone=True))
_STRETCH: Final[tuple[ARRAY[Any], ...]] = (ARRAY(Uuid), ARRAY(Text), ARRAY(Text), _INSTANTS, _INSTANTS)
