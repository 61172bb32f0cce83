"""The daily statement of a partner: what customers paid, what of it is the partner's, what went back, what was paid out.

Days are those of UTC. What is behind a day never changes, so neither does its statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Date, case, cast, func, select

from broker.billing.share_models import PartnerShare
from broker.catalog.members import Role, member_service
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams
from broker.payouts.models import Payout, PayoutState

USUAL: Final = timedelta(days=30)
MOST: Final = timedelta(days=400)
_YEARS: Final = (2000, 9999)


@dataclass(frozen=True, slots=True)
class DayView:
    """One day in one currency. Units: minor units."""

    day: date
    currency: str
    gross_minor: int = 0
    """What customers and their prepaid credits paid, with tax."""
    refunded_minor: int = 0
    """What was taken back of that, with tax."""
    tax_minor: int = 0
    base_minor: int = 0
    """What is shared: before tax, with what the platform gave as promotional credits."""
    commission_minor: int = 0
    """The platform's part."""
    earned_minor: int = 0
    clawed_back_minor: int = 0
    """The partner's share of what was taken back."""
    paid_out_minor: int = 0
    balance_minor: int = 0
    """At the end of the day."""


_SUMS: Final = [each.name for each in fields(DayView) if each.name not in ("day", "currency", "balance_minor")]


async def list_statements(
    ctx: Context, actor: Actor, slug: str, since: date | None = None, until: date | None = None
) -> Sequence[DayView]:
    """The days on which something happened, from the first to the last of these, the newest first; usually the last month's.

    Today's is live: it goes on. For owners and admins of the service.

    Raises: NotFound, Forbidden, InvalidParams.
    """
    if any(not _YEARS[0] <= each.year < _YEARS[1] for each in (since, until) if each):
        raise InvalidParams(f"since: must be, as until, a day between the years {_YEARS[0]} and {_YEARS[1]}.")
    last = until or ctx.clock.now().date()
    first = since or last - USUAL
    if not timedelta(0) <= last - first <= MOST:
        raise InvalidParams("since: must be no later than until, and at most 400 days before it.")
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        before = await _before(tx, service.slug, first)
        moved = [*await _shared(tx, service.slug, first, last), *await _paid(tx, service.slug, first, last)]
    return with_balances(moved, before)


def with_balances(moved: Iterable[DayView], before: Mapping[str, int]) -> list[DayView]:
    """Days as they add up, the newest first, each with the balance at its end."""
    days: dict[tuple[date, str], DayView] = {}
    for part in moved:
        key = part.day, part.currency
        day = days.get(key, DayView(part.day, part.currency))
        days[key] = replace(day, **{name: getattr(day, name) + getattr(part, name) for name in _SUMS})
    balance: dict[str, int] = defaultdict(int, before)
    found = []
    for (_, currency), day in sorted(days.items()):
        balance[currency] += day.earned_minor - day.clawed_back_minor - day.paid_out_minor
        found.append(replace(day, balance_minor=balance[currency]))
    return found[::-1]


def _day_of(instant: Any) -> ColumnElement[date]:
    return cast(func.timezone("UTC", instant), Date)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


async def _before(tx: Tx, service: str, first: date) -> dict[str, int]:
    earned = select(PartnerShare.currency, func.sum(PartnerShare.share_minor)).where(
        PartnerShare.service == service, PartnerShare.at < _midnight(first)
    )
    found: dict[str, int] = defaultdict(int)
    for currency, minor in await tx.execute(earned.group_by(PartnerShare.currency)):
        found[currency] += int(minor)
    for part in await _paid(tx, service, date.min, first - timedelta(days=1)):
        found[part.currency] -= part.paid_out_minor
    return dict(found)


async def _shared(tx: Tx, service: str, first: date, last: date) -> list[DayView]:
    row, day = PartnerShare, _day_of(PartnerShare.at)

    def plus(column: Any) -> Any:
        return func.sum(case((column > 0, column), else_=0))

    def minus(column: Any) -> Any:
        return func.sum(case((column < 0, -column), else_=0))

    statement = (
        select(
            day, row.currency, plus(row.minor), minus(row.minor), func.sum(row.tax_minor), func.sum(row.base_minor),
            func.sum(row.base_minor - row.share_minor), plus(row.share_minor), minus(row.share_minor),
        )
        .where(row.service == service, row.at >= _midnight(first), row.at < _midnight(last + timedelta(days=1)))
        .group_by(day, row.currency)
    )  # fmt: skip
    return [DayView(at, currency, *map(int, sums)) for at, currency, *sums in await tx.execute(statement)]


async def _paid(tx: Tx, service: str, first: date, last: date) -> list[DayView]:
    """Payouts count when they are drafted; those that fail come back on that day."""
    drawn = select(_day_of(Payout.created_at).label("day"), Payout.currency, Payout.minor.label("minor"))
    back = select(_day_of(Payout.finished_at), Payout.currency, -Payout.minor).where(
        Payout.state == PayoutState.FAILED, Payout.service == service
    )
    moves = drawn.where(Payout.service == service).union_all(back).subquery()
    statement = (
        select(moves.c.day, moves.c.currency, func.sum(moves.c.minor))
        .where(moves.c.day >= first, moves.c.day <= last)
        .group_by(moves.c.day, moves.c.currency)
    )
    rows = await tx.execute(statement)
    return [DayView(day, currency, paid_out_minor=int(minor)) for day, currency, minor in rows]
