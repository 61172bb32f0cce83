"""The order to try a service's provider again and again, and reading what came of it. The runs are made in `canary_runs.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, cast, null, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.catalog.members import PartnerService, Role, locked_service, member_service
from broker.catalog.models import AddonService, CanaryRun, Plan, ServiceCanary
from broker.catalog.reliability import WINDOW, Flown, Reliability, reliability
from broker.catalog.versions import newest_version
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams

SHORTEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(days=1)
_MOST_SHOWN: Final = 200
_STALE: Final = 3 * LONGEST


@dataclass(frozen=True, slots=True)
class CanaryView:
    """The order as members of the service see it. `every` is None while there are no runs."""

    every: timedelta | None
    plan: str | None
    next_at: datetime | None
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. `checks` are pairs of a sentence and its status."""

    id: UUID
    at: datetime
    revision: int
    plan: str
    passed: bool
    checks: tuple[tuple[str, str], ...]
    provision_ms: int | None
    fault: str | None


async def get_canary(ctx: Context, actor: Actor, slug: str) -> CanaryView:
    """How often the provider is tried, for any member.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        return await _view(tx, await member_service(tx, actor, slug, Role.DEVELOPER), ctx.clock.now())


async def set_canary(
    ctx: Context, actor: Actor, slug: str, every: timedelta | None, plan: str | None = None
) -> CanaryView:
    """Have the provider tried from now on, or with None not any more: then nothing is shown as measured, either.

    Real resources of this plan are made and removed, at the cost of the partner, who therefore is the one to ask for it.
    Raises: NotFound; Forbidden for developers; InvalidParams; Conflict when there is no manifest to try it by.
    """
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise InvalidParams("A canary runs every 5 minutes at the most, and once a day at the least.")
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.ADMIN), ctx.clock.now()
        await _must_be_possible(tx, ctx, service, plan)
        every_s = None if every is None else int(every.total_seconds())
        values = {"every_s": every_s, "plan": plan, "next_at": now, "updated_at": now}
        new = insert(ServiceCanary).values(service_id=service.id, created_at=now, **values)
        await tx.execute(new.on_conflict_do_update(index_elements=["service_id"], set_=values))
        await show_reliability(tx, service.id, now, wanted=every is not None)
        await emit(tx, "addon_service.canary_set", actor, now, service=slug, every_s=every_s, plan=plan)
        return await _view(tx, service, now)


async def list_runs(ctx: Context, actor: Actor, slug: str) -> list[RunView]:
    """The last runs, newest first, for any member.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = select(CanaryRun.__table__).where(CanaryRun.service_id == service.id)
        rows = await tx.execute(wanted.order_by(CanaryRun.at.desc(), CanaryRun.id.desc()).limit(_MOST_SHOWN))
        return [_run(row) for row in rows]


async def show_reliability(tx: Tx, service_id: UUID, now: datetime, *, wanted: bool) -> None:
    """Compute the figure of a service anew, or take it away. Nothing else about the service has changed."""
    found = reliability(await _flown(tx, service_id, now), now) if wanted else None
    changed = update(AddonService).where(AddonService.id == service_id)
    await tx.execute(changed.values(reliability=found and found.stored()))


async def withdraw_stale(ctx: Context) -> int:
    """Take away the figures of services that nobody has tried for days: what they say is over. How many."""
    long_ago = ctx.clock.now() - _STALE
    until = cast(AddonService.reliability["until"].astext, DateTime(timezone=True))
    gone = update(AddonService).where(AddonService.reliability.is_not(None), until < long_ago)
    async with ctx.database.transaction() as tx:
        return int((await tx.execute(gone.values(reliability=null()))).rowcount)


async def _must_be_possible(tx: Tx, ctx: Context, service: PartnerService, plan: str | None) -> None:
    if await newest_version(tx, ctx.vault, service) is None:
        raise Conflict(f"The manifest of {service.slug} is not kept here yet: push it once more.")
    plans = list((await tx.execute(select(Plan.slug).where(Plan.service_id == service.id))).scalars())
    if plan is not None and plan not in plans:
        raise InvalidParams(f"{service.slug} has no plan {plan}. Its plans are {', '.join(sorted(plans))}.")


async def _view(tx: Tx, service: PartnerService, now: datetime) -> CanaryView:
    columns = (ServiceCanary.every_s, ServiceCanary.plan, ServiceCanary.next_at)
    row = (await tx.execute(select(*columns).where(ServiceCanary.service_id == service.id))).one_or_none()
    found = reliability(await _flown(tx, service.id, now), now)
    if row is None or row.every_s is None:
        return CanaryView(None, None, None, found)
    return CanaryView(timedelta(seconds=row.every_s), row.plan, row.next_at, found)


async def _flown(tx: Tx, service_id: UUID, now: datetime) -> list[Flown]:
    columns = (CanaryRun.at, CanaryRun.passed, CanaryRun.provision_ms)
    lately = (CanaryRun.service_id == service_id, CanaryRun.at >= now - WINDOW)
    return [Flown(*row) for row in await tx.execute(select(*columns).where(*lately))]


def _run(row: Any) -> RunView:
    checks = tuple((name, status) for name, status in row.checks)
    return RunView(row.id, row.at, row.revision, row.plan, row.passed, checks, row.provision_ms, row.fault)
