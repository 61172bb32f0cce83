"""What a partner can expect: its share of what is being used, live, and of what is billed and not paid. Reads only.

At the prices and agreements of now; what promotional credits, refunds and customers who do not pay change of it, later days show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from broker.billing.accrue_shares import agreements_of, lines_of, recorded_of
from broker.billing.history import History, accounts_of, segments_of
from broker.billing.metering import Reading
from broker.billing.models import Invoice, InvoiceLine, InvoiceState, MonthClose, UsagePeriod
from broker.billing.months import Month, month_of
from broker.billing.pricing import Line, Statement
from broker.billing.readings import readings_in
from broker.billing.shares import Agreed, Share, partner_part, share_during, share_of
from broker.billing.timeline import Segment
from broker.catalog.members import Role, member_service
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx

_UNPAID = (InvoiceState.FINALIZED, InvoiceState.ISSUED, InvoiceState.PAST_DUE)


@dataclass(frozen=True, slots=True)
class AccrualView:
    """A month that is not closed, or what is billed and not paid (`month` is empty), in one currency. Units: minor units."""

    month: str
    currency: str
    share_minor: int
    """The partner's, by now."""
    forecast_minor: int
    """At the end of the month, if nothing changes."""


async def list_accruals(ctx: Context, actor: Actor, slug: str) -> Sequence[AccrualView]:
    """What will come, if customers pay: for owners and admins of the service. Months are those of UTC.

    Raises: NotFound, Forbidden.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        found = await _billed(tx, service.slug)
        for month in await _open_months(tx, now):
            found += await _accruing(tx, service.slug, month, now)
    return found


async def _open_months(tx: Tx, now: datetime) -> list[Month]:
    this = month_of(now)
    before = month_of(this.start - timedelta(seconds=1))
    closed = select(MonthClose.closed_at).where(MonthClose.zone == "UTC", MonthClose.month == str(before))
    return [this] if (await tx.execute(closed)).scalar_one_or_none() else [before, this]


async def _billed(tx: Tx, service: str) -> list[AccrualView]:
    unpaid = (
        select(Invoice.id, Invoice.currency)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(Invoice.state.in_(_UNPAID), InvoiceLine.service == service)
        .distinct()
    )
    currency = {row.id: row.currency for row in await tx.execute(unpaid)}
    recorded = await recorded_of(tx, list(currency))
    left: dict[str, int] = defaultdict(int)
    for bill, lines in (await lines_of(tx, list(currency))).items():
        for line in lines:
            if line.service == service:
                whole = share_of(line, line.left_minor).share_minor
                left[currency[bill]] += whole - recorded.get(line.id, Share()).share_minor
    return [AccrualView("", each, minor, minor) for each, minor in sorted(left.items()) if minor]


async def _accruing(tx: Tx, service: str, month: Month, now: datetime) -> list[AccrualView]:
    agreed = (await agreements_of(tx, [service])).get(service, ())
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for history in await _histories(tx, service, month):
        for currency in history.currencies:
            for place, at in enumerate((min(now, month.end), month.end)):
                totals[currency][place] += _share(history.statement(currency, at=at), service, agreed)
    return [AccrualView(str(month), currency, *parts) for currency, parts in sorted(totals.items()) if any(parts)]


def _share(found: Statement, service: str, agreed: Sequence[Agreed]) -> int:
    inclusive = found.net_minor + found.tax_minor == sum(line.net_minor for line in found.lines)
    return sum(_of_line(line, agreed, inclusive=inclusive) for line in found.lines if line.price.service == service)


def _of_line(line: Line, agreed: Sequence[Agreed], *, inclusive: bool) -> int:
    base = line.net_minor - (line.tax_minor if inclusive else 0)
    return partner_part(base, share_during(line.spans, agreed, line.price.share_bp))


async def _histories(tx: Tx, service: str, month: Month) -> list[History]:
    """Of each account the add-ons of the service that it had in the month, and nothing else; without its credits."""
    running = or_(UsagePeriod.ended_at.is_(None), UsagePeriod.ended_at > month.start)
    addons = select(UsagePeriod.addon_id).where(
        UsagePeriod.service == service, UsagePeriod.started_at < month.end, running
    )
    found = await segments_of(tx, UsagePeriod.addon_id.in_(addons), month)
    readings = _by_resource(await readings_in(tx, found, month))
    segments: dict[UUID, list[Segment]] = defaultdict(list)
    held: dict[UUID, set[UUID]] = defaultdict(set)
    for segment in found:
        segments[segment.resource].append(segment)
        held[segment.account].add(segment.resource)
    terms = await accounts_of(tx, list(held))
    return [
        History(
            terms[account][0],
            month,
            tuple(segment for resource in resources for segment in segments[resource]),
            tuple(reading for resource in resources for reading in readings.get(resource, ())),
        )
        for account, resources in held.items()
    ]


def _by_resource(readings: Iterable[Reading]) -> dict[UUID, list[Reading]]:
    found: dict[UUID, list[Reading]] = defaultdict(list)
    for reading in readings:
        found[reading.resource].append(reading)
    return found
