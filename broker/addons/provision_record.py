"""How real add-ons of a service have come into being lately. What a canary measures beside it is in `catalog`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Date, Select, cast, func, select

from broker.addons.models import Addon, Operation, OperationKind, OperationState
from broker.catalog.members import Role, member_service
from broker.catalog.queries import visible_service
from broker.catalog.reliability import ENOUGH_RUNS, WINDOW, Reliability
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import ProviderUnavailable


@dataclass(frozen=True, slots=True)
class ProvisionRecord:
    """Of the last 30 days, without what a provider refused for the sake of the request. All None for too few.

    How many there were is the partner's affair and not told. Units: the time is from the order until the app has its
    config vars, so the broker's own part and its repetitions are in it.
    """

    succeeded_percent: float | None = None
    median_ms: int | None = None
    p95_ms: int | None = None

    @property
    def measured(self) -> bool:
        return self.succeeded_percent is not None


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """Both figures of a service, which measure different things."""

    service: str
    canary: Reliability | None
    provisions: ProvisionRecord


@dataclass(frozen=True, slots=True)
class WeekRecord:
    """The provisions of a week, for those who make the service: how many there were, and how long the good ones took."""

    begins: date
    total: int
    good: int
    median_ms: int | None
    p95_ms: int | None


_FEW: Final = ProvisionRecord()
_WEEKS: Final = 12


async def weeks_of(ctx: Context, actor: Actor, slug: str, weeks: int = _WEEKS) -> list[WeekRecord]:
    """The provisions week by week (Monday to Sunday, UTC), the newest first, for any member of the service.

    Raises: NotFound.
    """
    begins = cast(func.date_trunc("week", func.timezone("UTC", Operation.created_at)), Date).label("begins")
    today = ctx.clock.now()
    first = today - timedelta(days=today.weekday(), weeks=weeks - 1)
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        counted = _provisions(service.id, first.replace(hour=0, minute=0, second=0, microsecond=0), begins)
        rows = await tx.execute(counted.group_by(begins).order_by(begins.desc()))
        return [WeekRecord(row.begins, row.total, row.good, _ms(row.median), _ms(row.p95)) for row in rows]


async def get_record(ctx: Context, actor: Actor, key: str) -> ServiceRecord:
    """How reliable the service with this slug or id has proved.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.IDENTITY)
    async with ctx.database.transaction() as tx:
        service = await visible_service(tx, actor, key)
        row = (await tx.execute(_provisions(service.id, ctx.clock.now() - WINDOW))).one()
        return ServiceRecord(service.slug, service.reliability, _record(row))


def _record(row: Any) -> ProvisionRecord:
    if row.total < ENOUGH_RUNS:
        return _FEW
    return ProvisionRecord(row.good * 10_000 // row.total / 100, _ms(row.median), _ms(row.p95))


def _ms(took: timedelta | None) -> int | None:
    return None if took is None else took // timedelta(milliseconds=1)


def _provisions(service_id: object, since: datetime, *by: Any) -> Select[*tuple[Any, ...]]:
    """Those that began since then and are over, without what a provider refused for the sake of the request."""
    good = Operation.state == OperationState.SUCCEEDED
    broken = Operation.error_id == ProviderUnavailable.id
    took = Operation.finished_at - Operation.created_at
    ranked = [func.percentile_disc(part).within_group(took).filter(good).label(name) for part, name in _RANKS]
    return (
        select(*by, func.count().label("total"), func.count().filter(good).label("good"), *ranked)
        .join(Addon, Addon.id == Operation.addon_id)
        .where(Addon.service_id == service_id, Operation.kind == OperationKind.PROVISION)
        .where(Operation.finished_at.is_not(None), Operation.created_at >= since, good | broken)
    )


_RANKS: Final = ((0.5, "median"), (0.95, "p95"))
