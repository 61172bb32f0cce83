"""Reconciling: for each service ask the provider for its list, compare, and on request mend what is safe to mend.

How runs are started, waited for and shown is in `reconcile_runs.py`. Providers are asked by the worker alone, behind the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Row, Select, Text, Uuid, any_, func, literal, or_, select, update

from broker.addons.advance import make_place
from broker.addons.drift import Belief, Drift, DriftKind, Side, compare, money, present
from broker.addons.gate import USUAL, Held, Limits, admit
from broker.addons.intents import CALL_BOUND
from broker.addons.locks import lock_addon
from broker.addons.models import (
    Addon,
    AddonState,
    Operation,
    OperationKind,
    Orphan,
    OrphanState,
    Ownership,
    ReconcileRun,
)
from broker.addons.orphans import mark_deleted, record_orphan
from broker.addons.ports import Answer, ListCall, Listed, Listing, Provisioner
from broker.addons.reap import access_to, said
from broker.addons.settle import with_locks
from broker.billing.models import UsagePeriod
from broker.billing.usage import end_period
from broker.catalog.canary_runs import resource_in_flight
from broker.catalog.models import AddonService, Plan
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.kernel.signals import notify

ListerFor = Callable[[ListCall], Provisioner]

LEASE: Final = timedelta(minutes=2)
"""How long a run belongs to its worker after its last step; a step is one service."""

MOST_TRIES: Final = 3
"""How many workers may begin a run without finishing it, before it counts as failed."""

_LIST: Final = "list"
_MOST_DRIFTS: Final = 1000
_log = structlog.get_logger()


class RunLost(Exception):
    """Another worker has taken the run over."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: UUID
    fencing: int
    service_id: UUID | None
    fix: bool


@dataclass(frozen=True, slots=True)
class _Service:
    id: UUID
    slug: str
    name: str
    lists: bool


async def reconcile(ctx: Context, lister_for: ListerFor, run_id: UUID, limits: Limits = USUAL) -> None:
    """Do the run, if it is not finished and nobody else does it. No transaction is open while a provider is asked."""
    run = await _claim(ctx, run_id)
    if run is None:
        return
    if run.fencing > MOST_TRIES:
        await _go_on(ctx, run, state="failed", finished_at=ctx.clock.now(), lease_until=None)
        _log.error("reconcile.failed", run=str(run_id))
        return
    services: list[dict[str, Any]] = []
    drifts: list[tuple[Drift, bool]] = []
    try:
        for service in await _services(ctx, run):
            await _go_on(ctx, run)
            about, found = await _look_at(ctx, lister_for, service, limits)
            services.append(about)
            for drift in found:
                drifts.append((drift, run.fix and await _mend(ctx, drift)))
        await _finish(ctx, run, services, drifts)
    except RunLost:
        _log.warning("reconcile.lost", run=str(run_id))


async def _claim(ctx: Context, run_id: UUID) -> _Claimed | None:
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        free = or_(ReconcileRun.lease_until.is_(None), ReconcileRun.lease_until <= now)
        claimed = (
            update(ReconcileRun)
            .where(ReconcileRun.id == run_id, ReconcileRun.finished_at.is_(None), free)
            .values(state="running", fencing=ReconcileRun.fencing + 1, lease_until=now + LEASE)
            .returning(ReconcileRun.id, ReconcileRun.fencing, ReconcileRun.service_id, ReconcileRun.fix)
        )
        row = (await tx.execute(claimed)).one_or_none()
    return None if row is None else _Claimed(*row)


async def _go_on(ctx: Context, run: _Claimed, **values: Any) -> None:
    """Keep the claim, or end it with `values`.

    Raises: RunLost.
    """
    async with ctx.database.transaction() as tx:
        ours = (ReconcileRun.id == run.id, ReconcileRun.fencing == run.fencing, ReconcileRun.finished_at.is_(None))
        kept = update(ReconcileRun).where(*ours)
        if (await tx.execute(kept.values(**values or {"lease_until": ctx.clock.now() + LEASE}))).rowcount != 1:
            raise RunLost
        if values:
            await notify(tx, run.id)


async def _services(ctx: Context, run: _Claimed) -> list[_Service]:
    statement = select(AddonService.id, AddonService.slug, AddonService.name, AddonService.capabilities)
    if run.service_id is not None:
        statement = statement.where(AddonService.id == run.service_id)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(statement.order_by(AddonService.slug))).all()
    return [_Service(row.id, row.slug, row.name, _LIST in row.capabilities) for row in rows]


async def _look_at(
    ctx: Context, lister_for: ListerFor, service: _Service, limits: Limits
) -> tuple[dict[str, Any], list[Drift]]:
    """What was seen of one service, and what does not agree."""
    asked_at = ctx.clock.now()
    listing, note = await _ask(ctx, lister_for, service, limits)
    listed = None if listing is None else present(listing)
    async with ctx.database.transaction() as tx:
        tried = await resource_in_flight(tx, service.id)
        listed = listed and [entry for entry in listed if entry.uuid is None or entry.uuid != tried]
        beliefs = [_belief(row, asked_at) for row in await tx.execute(_beliefs(service.id, listed or ()))]
        prices = select(Plan.slug, Plan.price_cents, Plan.currency).where(Plan.service_id == service.id)
        known = {slug: (cents, currency) for slug, cents, currency in await tx.execute(prices)}
    in_use = sum(belief.state is AddonState.PROVISIONED for belief in beliefs)
    about = {"service": service.slug, "in_use": in_use, "listed": None if listed is None else len(listed), "note": note}
    return about, compare(Side(service.slug, beliefs, listed, known))


async def _ask(
    ctx: Context, lister_for: ListerFor, service: _Service, limits: Limits
) -> tuple[tuple[Listed, ...] | None, str | None]:
    """The provider's list, or why there is none."""
    if not service.lists:
        return None, "has no capability `list`: only what is billed was compared"
    async with ctx.database.transaction() as tx:
        held: Held | None = await admit(tx, service.id, service.name, ctx.clock.now(), limits)
        call = ListCall(await access_to(tx, ctx, service.id))
    if held is not None:
        return None, held.why
    listing: Listing = await lister_for(call).list_resources(call)
    await make_place(ctx, service.id, listing.reply, limits)
    if listing.reply.answer is not Answer.DONE:
        return None, f"gave no list: {said(listing.reply)}"
    return listing.resources, None


def _beliefs(service_id: UUID, listed: Sequence[Listed]) -> Select[*tuple[Any, ...]]:
    """One statement, so that all of it was true at one moment: add-ons in use, and past ones that still matter."""
    uuids = [entry.uuid for entry in listed if entry.uuid]
    ids = [entry.resource_id for entry in listed if entry.resource_id and not entry.uuid]
    billed = select(UsagePeriod.id).where(UsagePeriod.addon_id == Addon.id, UsagePeriod.ended_at.is_(None)).exists()
    busy = select(Operation.id).where(Operation.addon_id == Addon.id, Operation.finished_at.is_(None)).exists()
    ended = select(func.max(Operation.finished_at)).where(Operation.addon_id == Addon.id).scalar_subquery()
    matters = or_(
        Addon.state != AddonState.DEPROVISIONED,
        Orphan.state == OrphanState.OPEN,
        billed,
        Addon.id == any_(literal(uuids, ARRAY(Uuid))),
        Addon.provider_id == any_(literal(ids, ARRAY(Text))),
    )
    return (
        select(
            Addon.id,
            Addon.name,
            Addon.state,
            Plan.slug,
            Addon.price_cents,
            Addon.currency,
            Addon.provider_id,
            Addon.ownership,
            Addon.updated_at,
            busy.label("busy"),
            ended.label("ended_at"),
            billed.label("billed"),
            Orphan.id.label("orphan_id"),
            Orphan.state.label("orphan_state"),
            Orphan.since,
            Orphan.lease_until,
        )
        .join(Plan, Plan.id == Addon.plan_id)
        .outerjoin(Orphan, Orphan.addon_id == Addon.id)
        .where(Addon.service_id == service_id, matters)
        .order_by(Addon.created_at, Addon.id)
    )


def _belief(row: Row[Any], asked_at: datetime) -> Belief:
    settled = not row.busy and row.updated_at < asked_at and (row.ended_at is None or row.ended_at < asked_at)
    quiet = row.since is not None and row.since < asked_at - CALL_BOUND
    return Belief(
        addon_id=row.id,
        name=row.name,
        state=AddonState(row.state),
        plan=row.slug,
        price_cents=row.price_cents,
        currency=row.currency,
        provider_id=row.provider_id,
        ownership=Ownership(row.ownership),
        settled=settled,
        billed=row.billed,
        orphan_id=row.orphan_id,
        orphan_state=None if row.orphan_state is None else OrphanState(row.orphan_state),
        orphan_settled=quiet and (row.lease_until is None or row.lease_until < asked_at),
    )


async def _mend(ctx: Context, drift: Drift) -> bool:
    """Do what the drift's `fix` says, if that is still right; whether it was done."""
    if drift.fix is None or drift.addon_id is None:
        return False
    if drift.kind is DriftKind.ORPHAN_GONE and drift.orphan_id is not None:
        async with ctx.database.transaction() as tx:
            return await mark_deleted(tx, drift.orphan_id, "not in the provider's list", ctx.clock.now())
    if drift.kind is DriftKind.LEFTOVER:
        return await with_locks(ctx, lambda tx: _record(tx, ctx, drift))
    return await with_locks(ctx, lambda tx: _end_billing(tx, ctx, drift))


async def _record(tx: Tx, ctx: Context, drift: Drift) -> bool:
    assert drift.addon_id is not None
    addon = await lock_addon(tx, ctx, drift.addon_id)
    if addon is None or addon.state is not AddonState.DEPROVISIONED or addon.ownership != Ownership.CREATED:
        return False
    await record_orphan(tx, addon, drift.resource_id, "found in the provider's list", ctx.clock.now())
    return True


async def _end_billing(tx: Tx, ctx: Context, drift: Drift) -> bool:
    assert drift.addon_id is not None
    addon = await lock_addon(tx, ctx, drift.addon_id)
    if addon is None or addon.state not in (AddonState.DEPROVISIONING, AddonState.DEPROVISIONED):
        return False
    requested = select(func.min(Operation.created_at)).where(
        Operation.addon_id == addon.id, Operation.kind == OperationKind.DEPROVISION
    )
    gone = select(Addon.deprovisioned_at).where(Addon.id == addon.id)
    now = ctx.clock.now()
    at = (await tx.execute(requested)).scalar() or (await tx.execute(gone)).scalar() or now
    await end_period(tx, addon.id, at)
    await emit(tx, "usage.corrected", SYSTEM, now, app_id=addon.app_id, addon_id=addon.id, ended_at=at.isoformat())
    return True


async def _finish(
    ctx: Context, run: _Claimed, services: list[dict[str, Any]], drifts: list[tuple[Drift, bool]]
) -> None:
    sums = [
        {"currency": item.currency, "unpaid_cents": item.unpaid_cents, "overbilled_cents": item.overbilled_cents}
        for item in money(drift for drift, _ in drifts)
    ]
    shown = [_shown(drift, fixed) for drift, fixed in drifts[:_MOST_DRIFTS]]
    report = {"services": services, "drifts": shown, "not_shown": len(drifts) - len(shown), "money": sums}
    now = ctx.clock.now()
    await _go_on(ctx, run, state="finished", finished_at=now, lease_until=None, report=report)
    _log.info("reconcile.finished", run=str(run.id), drifts=len(drifts), fixed=sum(fixed for _, fixed in drifts))


def _shown(drift: Drift, fixed: bool) -> dict[str, Any]:
    return {
        "kind": drift.kind.value,
        "service": drift.service,
        "addon_id": drift.addon_id and str(drift.addon_id),
        "addon": drift.addon,
        "resource_id": drift.resource_id,
        "price_cents": drift.price_cents,
        "currency": drift.currency,
        "explanation": drift.explanation,
        "fix": drift.fix,
        "fixed": fixed,
    }
