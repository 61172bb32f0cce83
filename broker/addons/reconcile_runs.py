"""Runs of reconcile: started by an operator or every hour, done by a worker, waited for like operations, kept for a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, select

from broker.addons.models import Addon, ReconcileRun
from broker.addons.wait import NO_WAIT, waiting
from broker.catalog.models import AddonService
from broker.catalog.queries import get_service
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Database, Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer

RECONCILE: Final = "broker.reconcile"
"""Name of the job that does one run."""

EVERY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)
_PATIENCE: Final = timedelta(minutes=1)
"""How long a run waits for its job before it gets another one."""
_MOST_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: pending, running, finished with its `report`, or failed."""

    id: UUID
    state: str
    service: str | None
    fix: bool
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    report: Mapping[str, Any] | None


async def start_run(
    ctx: Context, actor: Actor, *, service: str | None = None, fix: bool = False, wait: timedelta = NO_WAIT
) -> RunView:
    """Have a worker compare one service or all, and mend what is safe to mend if `fix`; waits up to `wait` for it.

    Transactions: one for the intent, committed before any wait.
    Raises: NotFound for a service that there is not, and for everybody but operators.
    """
    actor.require_operator()
    run_id = new_id()
    async with waiting(ctx, run_id, wait, _is_finished) as outcome:
        async with ctx.database.transaction() as tx:
            service_id = None if service is None else (await get_service(tx, service)).id
            await _insert(tx, run_id, actor, service_id, fix, ctx.clock.now())
        await outcome()
    return await get_run(ctx, actor, str(run_id))


async def _is_finished(database: Database, run_id: UUID) -> bool:
    finished = select(ReconcileRun.finished_at).where(ReconcileRun.id == run_id)
    async with database.transaction() as tx:
        return (await tx.execute(finished)).scalar() is not None


async def _insert(tx: Tx, run_id: UUID, actor: Actor, service_id: UUID | None, fix: bool, now: datetime) -> None:
    await tx.execute(
        insert(ReconcileRun).values(
            id=run_id,
            state="pending",
            service_id=service_id,
            fix=fix,
            actor_id=actor.id,
            actor_email=actor.email,
            fencing=0,
            created_at=now,
        )
    )
    await defer(tx, RECONCILE, {"run_id": str(run_id)})


async def get_run(ctx: Context, actor: Actor, key: str) -> RunView:
    """One run.

    Raises: NotFound.
    """
    actor.require_operator()
    run_id = as_uuid(key)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(_runs().where(ReconcileRun.id == run_id))).one_or_none() if run_id else None
    if row is None:
        raise NotFound("reconcile_run")
    return RunView(**dict(zip(RunView.__slots__, row, strict=True)))


async def list_runs(ctx: Context, actor: Actor) -> list[RunView]:
    """The newest runs.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    statement = _runs().order_by(ReconcileRun.created_at.desc(), ReconcileRun.id.desc()).limit(_MOST_LISTED)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(statement)).all()
    return [RunView(**dict(zip(RunView.__slots__, row, strict=True))) for row in rows]


def _runs() -> Select[*tuple[Any, ...]]:
    return select(
        ReconcileRun.id,
        ReconcileRun.state,
        AddonService.slug,
        ReconcileRun.fix,
        ReconcileRun.actor_email,
        ReconcileRun.created_at,
        ReconcileRun.finished_at,
        ReconcileRun.report,
    ).outerjoin(AddonService, AddonService.id == ReconcileRun.service_id)


async def enqueue_runs(ctx: Context) -> int:
    """Start the hourly run if its time has come, and revive what dead workers left; the number. Part of the sweep."""
    now = ctx.clock.now()
    overdue = func.coalesce(ReconcileRun.lease_until, ReconcileRun.created_at + _PATIENCE) <= now
    abandoned = select(ReconcileRun.id).where(ReconcileRun.finished_at.is_(None), overdue)
    async with ctx.database.transaction() as tx:
        ids = list((await tx.execute(abandoned)).scalars())
        for run_id in ids:
            await defer(tx, RECONCILE, {"run_id": str(run_id)})
        due = await _is_due(tx, now)
        if due:
            await _insert(tx, new_id(), SYSTEM, None, False, now)
            await tx.execute(delete(ReconcileRun).where(ReconcileRun.created_at < now - KEPT))
    return len(ids) + due


async def _is_due(tx: Tx, now: datetime) -> bool:
    """Whether an hour has passed since the last run of this kind, or else since there was anything to compare."""
    if not (await tx.execute(select(func.pg_try_advisory_xact_lock(func.hashtextextended(RECONCILE, 0))))).scalar():
        return False
    last = select(func.max(ReconcileRun.created_at)).where(ReconcileRun.actor_id == SYSTEM.id)
    since = (await tx.execute(last)).scalar() or (await tx.execute(select(func.min(Addon.created_at)))).scalar()
    return since is not None and since <= now - EVERY
