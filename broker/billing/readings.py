"""What was reported of the meters of some segments, as the pure core wants it. Never commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from broker.billing.metering import Reading
from broker.billing.models import UsageEvent
from broker.billing.months import Month
from broker.billing.prices import MeterKind
from broker.billing.timeline import Segment
from broker.kernel.db import Tx

_STANDING: Final = (MeterKind.AVERAGE, MeterKind.CUMULATIVE)
"""Kinds of meters for which a month begins with the last reading of the time before."""


async def readings_in(tx: Tx, segments: Iterable[Segment], month: Month) -> tuple[Reading, ...]:
    """What the statement of the month needs to know of the meters of these segments; nothing is read if they have none."""
    metered = [segment for segment in segments if segment.price.meters]
    if not metered:
        return ()
    addons = {segment.resource for segment in metered}
    standing = {
        (segment.resource, meter.meter)
        for segment in metered
        for meter in segment.price.meters
        if meter.kind in _STANDING
    }
    columns = (
        UsageEvent.source, UsageEvent.id, UsageEvent.addon_id, UsageEvent.meter, UsageEvent.quantity, UsageEvent.at,
        UsageEvent.subject, UsageEvent.voids,
    )  # fmt: skip
    wanted = [
        and_(UsageEvent.at >= month.start, UsageEvent.at < month.end),
        UsageEvent.voids.is_not(None),  # whenever it was taken back
        *(_before(month.start, standing) if standing else ()),
    ]
    events = select(*columns).where(UsageEvent.addon_id.in_(sorted(addons)), or_(*wanted))
    return tuple(
        Reading(
            source=f"{row.addon_id} {row.source}",  # what voids a report reaches no further than its add-on
            id=row.id,
            resource=row.addon_id,
            meter=row.meter,
            quantity=Fraction(row.quantity),
            at=row.at,
            subject=row.subject,
            voids=row.voids,
        )
        for row in await tx.execute(events)
    )


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


async def use_up(tx: Tx, line_id: UUID, addon_id: UUID, meter: str, spans: Sequence[tuple[datetime, datetime]]) -> int:
    """Mark what a line of an invoice was computed from, so that no other line can use it; how many reports that were."""
    within = [and_(UsageEvent.at >= start, UsageEvent.at < end) for start, end in spans]
    unused = (
        update(UsageEvent)
        .where(UsageEvent.addon_id == addon_id, UsageEvent.meter == meter, UsageEvent.line_id.is_(None), or_(*within))
        .values(line_id=line_id)
    )
    return (await tx.execute(unused)).rowcount if spans else 0
