"""Which month is to be closed next, and for whom: a cursor over accounts, so that a crash costs one batch. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from broker.billing.models import BillingAccount, Invoice, InvoiceState, MonthClose, UsagePeriod
from broker.billing.months import Month, month_at, month_of
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Due:
    """A month that is over for the accounts of a zone; those up to `after` are done."""

    zone: str
    month: Month
    after: UUID | None = None


async def next_due(tx: Tx, ended_by: datetime) -> Due | None:
    """The oldest month that ended by then and is not closed; None if every one is."""
    last = (
        select(MonthClose.zone, MonthClose.month, MonthClose.after, MonthClose.closed_at)
        .ext(distinct_on(MonthClose.zone))
        .order_by(MonthClose.zone, MonthClose.month.desc())
    )
    known = {row.zone: row for row in await tx.execute(last)}
    zones = {"UTC", *(await tx.execute(select(BillingAccount.zone).distinct())).scalars()}
    began = None
    if zones - set(known):
        began = (await tx.execute(select(func.min(UsagePeriod.started_at)))).scalar()
    due = [_due_in(zone, known.get(zone), began) for zone in sorted(zones)]
    over = [each for each in due if each is not None and each.month.end <= ended_by]
    return min(over, key=lambda each: str(each.month), default=None)


def _due_in(zone: str, last: Any, began: datetime | None) -> Due | None:
    if last is None:
        return None if began is None else Due(zone, month_of(began, zone))
    year, month = map(int, last.month.split("-"))
    reached = month_at(year, month, zone)
    return Due(zone, month_of(reached.end, zone)) if last.closed_at else Due(zone, reached, last.after)


async def accounts_due(tx: Tx, due: Due, most: int) -> Sequence[UUID]:
    """The next accounts that had something in the month, or something carried from the one before."""
    month = due.month
    touching = or_(UsagePeriod.ended_at.is_(None), UsagePeriod.ended_at > month.start)
    used = select(UsagePeriod.payer_id).where(UsagePeriod.started_at < month.end, touching).distinct()
    before = month_of(month.start - timedelta(seconds=1), due.zone)
    carried = select(Invoice.account_id).where(
        Invoice.month == str(before), Invoice.state == InvoiceState.STATEMENT, Invoice.due_minor > 0
    )
    if due.after is not None:
        used, carried = used.where(UsagePeriod.payer_id > due.after), carried.where(Invoice.account_id > due.after)
    found = {
        *(await tx.execute(used.order_by(UsagePeriod.payer_id).limit(most))).scalars(),
        *(await tx.execute(carried.order_by(Invoice.account_id).limit(most))).scalars(),
    }
    return sorted(found, key=lambda account: account.bytes)[:most]


async def note_progress(tx: Tx, due: Due, after: UUID | None, now: datetime) -> None:
    """Go on after this account the next time; without one, the month is closed."""
    reached = {"after": after or due.after, "closed_at": None if after else now}
    noted = insert(MonthClose).values(zone=due.zone, month=str(due.month), **reached)
    await tx.execute(noted.on_conflict_do_update(index_elements=[MonthClose.zone, MonthClose.month], set_=reached))
