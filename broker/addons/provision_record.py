"""How real add-ons of a service have come into being lately. What a canary measures beside it is in `catalog`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, select

from broker.addons.models import Addon, Operation, OperationKind, OperationState
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


_FEW: Final = ProvisionRecord()


async def get_record(ctx: Context, actor: Actor, key: str) -> ServiceRecord:
    """How reliable the service with this slug or id has proved.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.IDENTITY)
    async with ctx.database.transaction() as tx:
        service = await visible_service(tx, actor, key)
        row = (await tx.execute(_counted(service.id, ctx.clock.now()))).one()
        return ServiceRecord(service.slug, service.reliability, _record(row))


def _record(row: Any) -> ProvisionRecord:
    if row.total < ENOUGH_RUNS:
        return _FEW
    percent = row.good * 10_000 // row.total / 100
    return ProvisionRecord(
        percent, *(None if at is None else at // timedelta(milliseconds=1) for at in (row.median, row.p95))
    )


def _counted(service_id: object, now: datetime) -> Select[*tuple[Any, ...]]:
    good = Operation.state == OperationState.SUCCEEDED
    broken = Operation.error_id == ProviderUnavailable.id
    took = Operation.finished_at - Operation.created_at
    ranked = [func.percentile_disc(part).within_group(took).filter(good).label(name) for part, name in _RANKS]
    return (
        select(func.count().label("total"), func.count().filter(good).label("good"), *ranked)
        .join(Addon, Addon.id == Operation.addon_id)
        .where(Addon.service_id == service_id, Operation.kind == OperationKind.PROVISION)
        .where(Operation.finished_at.is_not(None), Operation.created_at >= now - WINDOW, good | broken)
    )


_RANKS: Final = ((0.5, "median"), (0.95, "p95"))
