"""What add-ons used in a month, by meter: quantities without money, which everybody who works on an app may see. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from broker.billing.history import segments_of
from broker.billing.metering import Reading, in_force, quantity
from broker.billing.models import UsagePeriod
from broker.billing.months import Month
from broker.billing.prices import MeterPrice
from broker.billing.readings import readings_in
from broker.billing.timeline import Segment
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Used:
    """What one meter of one add-on shows, whatever it costs."""

    meter: MeterPrice
    quantity: Fraction


async def used_in(tx: Tx, addon_ids: Collection[UUID], month: Month) -> dict[UUID, list[Used]]:
    """By add-on, what each meter shows that it had in the month; add-ons without meters are left out."""
    segments = await segments_of(tx, UsagePeriod.addon_id.in_(sorted(addon_ids)), month)
    held: dict[UUID, list[Segment]] = defaultdict(list)
    for segment in segments:
        if segment.end is None or segment.end > month.start:
            held[segment.resource].append(segment)
    readings: dict[UUID, list[Reading]] = defaultdict(list)
    for reading in in_force(await readings_in(tx, segments, month)):
        readings[reading.resource].append(reading)
    used = {addon_id: _used(held[addon_id], readings[addon_id], month) for addon_id in held}
    return {addon_id: found for addon_id, found in used.items() if found}


def _used(held: list[Segment], readings: list[Reading], month: Month) -> list[Used]:
    """The newest plan that has a meter says how it counts."""
    meters = {meter.meter: meter for segment in held for meter in segment.price.meters}
    found = []
    for name, meter in meters.items():
        spans = [
            (max(segment.start, month.start), min(segment.end or month.end, month.end))
            for segment in held
            if any(each.meter == name for each in segment.price.meters)
        ]
        own = [reading for reading in readings if reading.meter == name]
        found.append(Used(meter, quantity(meter.kind, own, spans, month.seconds)))
    return found
