"""What was reported of the meters of some segments, as the pure core wants it. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from broker.billing.metering import Reading
from broker.billing.models import UsageEvent
from broker.billing.months import Month
from broker.billing.prices import MeterKind
from broker.billing.sums import Meter, can_be_summed, stretches, sums_in
from broker.billing.timeline import Segment
from broker.kernel.db import Tx

_STANDING: Final = frozenset({MeterKind.AVERAGE, MeterKind.CUMULATIVE})
"""Kinds of meters for which a month begins with the last reading of the time before."""


async def readings_in(
    tx: Tx,
    segments: Iterable[Segment],
    month: Month,
    *,
    known_at: datetime | None = None,
    ends: Sequence[datetime] | None = None,
) -> tuple[Reading, ...]:
    """What the statement of the month needs to know of the meters of these segments; nothing is read if they have none.

    With `known_at`, only what had been reported by then. With `ends`, for statements as of one of these instants or of the end
    of the month, and for nothing else: then most of it is summed up already.
    """
    metered = [segment for segment in segments if segment.price.meters]
    if not metered:
        return ()
    kinds: dict[Meter, set[MeterKind]] = defaultdict(set)
    for segment in metered:
        for meter in segment.price.meters:
            kinds[segment.resource, meter.meter].add(meter.kind)
    if ends is None:
        return tuple(await _single(tx, kinds, month, known_at))
    summable = await can_be_summed(tx, kinds)
    single = await _single(tx, {meter: kinds[meter] for meter in kinds.keys() - summable}, month, known_at)
    return (*single, *await sums_in(tx, stretches(metered, summable, month, ends), month, known_at))


async def _single(
    tx: Tx, kinds: Mapping[Meter, Collection[MeterKind]], month: Month, known_at: datetime | None
) -> list[Reading]:
    """Reading by reading."""
    if not kinds:
        return []
    addons = {addon_id for addon_id, _ in kinds}
    standing = [meter for meter, of in kinds.items() if not _STANDING.isdisjoint(of)]
    columns = (
        UsageEvent.source, UsageEvent.id, UsageEvent.addon_id, UsageEvent.meter, UsageEvent.quantity, UsageEvent.at,
        UsageEvent.subject, UsageEvent.voids,
    )  # fmt: skip
    wanted = [
        and_(UsageEvent.at >= month.start, UsageEvent.at < month.end),
        UsageEvent.voids.is_not(None),  # whenever it was taken back
        *(_before(month.start, standing) if standing else ()),
    ]
    events = select(*columns).where(UsageEvent.addon_id == any_(literal(list(addons), ARRAY(Uuid))), or_(*wanted))
    if known_at is not None:
        events = events.where(UsageEvent.received_at <= known_at)
    # What voids a report reaches no further than its add-on.
    origin = {addon: f"{addon} " for addon in addons}
    return [
        Reading(origin[addon] + source, name, addon, meter, Fraction(*quantity.as_integer_ratio()), at, subject, voids)
        for source, name, addon, meter, quantity, at, subject, voids in await tx.execute(events)
        if (addon, meter) in kinds or voids is not None
    ]


def _before(start: datetime, standing: Iterable[tuple[UUID, str]]) -> list[ColumnElement[bool]]:
    """The newest reading before `start` of each thing that is counted, and whatever may be in force again."""
    earlier, voiding, unvoiding = aliased(UsageEvent), aliased(UsageEvent), aliased(UsageEvent)
    pairs = sorted(standing)
    newest = (
        select(earlier.source, earlier.id)
        .where(
            tuple_(earlier.addon_id, earlier.meter).in_(pairs),
            earlier.at < start,
            earlier.voids.is_(None),
            ~_voided(earlier, voiding),
        )
        .ext(distinct_on(earlier.addon_id, earlier.meter, earlier.source, earlier.subject))
        .order_by(
            earlier.addon_id, earlier.meter, earlier.source, earlier.subject, earlier.at.desc(), earlier.id.desc()
        )
    )
    again = exists().where(
        voiding.addon_id == UsageEvent.addon_id,
        voiding.source == UsageEvent.source,
        voiding.voids == UsageEvent.id,
        _voided(voiding, unvoiding),
    )
    return [
        tuple_(UsageEvent.source, UsageEvent.id).in_(newest),
        and_(tuple_(UsageEvent.addon_id, UsageEvent.meter).in_(pairs), UsageEvent.at < start, again),
    ]


def _voided(event: type[UsageEvent], by: type[UsageEvent]) -> ColumnElement[bool]:
    return exists().where(by.addon_id == event.addon_id, by.source == event.source, by.voids == event.id)


@dataclass(frozen=True, slots=True)
class MeteredLine:
    """A line of an invoice and what it was computed from: the reports of a meter within these spans of time."""

    id: UUID
    addon_id: UUID
    meter: str
    spans: Sequence[tuple[datetime, datetime]]


async def use_up(tx: Tx, lines: Sequence[MeteredLine]) -> int:
    """Mark what lines of invoices were computed from, so that no other line can use it; how many reports that were."""
    rows = [(line.id, line.addon_id, line.meter, start, end) for line in lines for start, end in line.spans]
    if not rows:
        return 0
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    spans = (
        func.unnest(*(cast(column, kind) for column, kind in zip(columns, _SPAN, strict=True)))
        .table_valued("line_id", "addon_id", "meter", "starts_at", "ends_at")
        .render_derived()
    )
    unused = (
        update(UsageEvent)
        .where(
            UsageEvent.addon_id == spans.c.addon_id,
            UsageEvent.meter == spans.c.meter,
            UsageEvent.at >= spans.c.starts_at,
            UsageEvent.at < spans.c.ends_at,
            UsageEvent.line_id.is_(None),
        )
        .values(line_id=spans.c.line_id)
    )
    return (await tx.execute(unused)).rowcount


_INSTANTS: Final = ARRAY(DateTime(timezone=True))
_SPAN: Final[tuple[ARRAY[Any], ...]] = (ARRAY(Uuid), ARRAY(Uuid), ARRAY(Text), _INSTANTS, _INSTANTS)
