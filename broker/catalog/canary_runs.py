"""Runs of canaries: which is due, whose it is while it is made, and keeping what came of it. The making is above us.

A run is claimed by a lease with a fencing number. The resource that it will ask a provider for is written down before it is
asked for, so that whoever comes after a run that was killed knows what to remove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, insert, or_, select, update

from broker.catalog.canary import show_reliability
from broker.catalog.canary_notices import tell
from broker.catalog.members import PartnerService, Role
from broker.catalog.models import AddonService, CanaryRun, ServiceCanary
from broker.catalog.versions import newest_version
from broker.catalog.views import SHUTDOWN
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id

LEASE: Final = timedelta(minutes=20)
"""How long a run belongs to its process: longer than any takes with the removal of what it made."""
KEPT: Final = timedelta(days=90)
_AGAIN: Final = timedelta(hours=1)
"""Before what an ended canary left is tried to be removed again."""
_REST: Final = timedelta(minutes=1)
"""For a provider that takes longer for a run than is between two."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is ours to make. `leftover` is to be removed first; without `every` that is all there is to do."""

    service_id: UUID
    slug: str
    revision: int
    manifest: Mapping[str, Any]
    """With its secrets."""
    every: timedelta | None
    plan: str | None
    fencing: int
    leftover: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    plan: str
    checks: Sequence[tuple[str, str]]
    provision_ms: int | None
    fault: str | None

    @property
    def passed(self) -> bool:
        return self.fault is None


async def claim_due(ctx: Context) -> Claim | None:
    """Take over the run that is due longest."""
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        row = (await tx.execute(_due(now))).one_or_none()
        if row is None:
            return None
        taken = update(ServiceCanary).where(ServiceCanary.service_id == row.id)
        await tx.execute(taken.values(fencing=row.fencing + 1, lease_until=now + LEASE))
        return await _claim(tx, ctx, row, now)


async def begin(ctx: Context, claim: Claim) -> UUID | None:
    """The resource that the run may ask for, now that nothing is left of those before; None if the run is not ours any more."""
    async with ctx.database.transaction() as tx:
        resource = new_id()
        noted = update(ServiceCanary).where(*_ours(claim)).values(resource_id=resource)
        return resource if (await tx.execute(noted)).rowcount else None


async def end(ctx: Context, claim: Claim, outcome: Outcome | None, *, is_removed: bool) -> bool:
    """Keep what came of it, unless another manifest was pushed meanwhile. Whether the run was still ours."""
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        held = select(ServiceCanary.every_s).where(*_ours(claim)).with_for_update()
        row = (await tx.execute(held)).one_or_none()
        if row is None:
            return False
        every = _AGAIN if row.every_s is None else timedelta(seconds=row.every_s)
        ended: dict[str, Any] = {"lease_until": None, "next_at": max(claim.at + every, now + _REST)}
        ended |= {"resource_id": None} if is_removed else {}
        await tx.execute(update(ServiceCanary).where(*_ours(claim)).values(**ended))
        if outcome is not None and row.every_s is not None and await _is_current(tx, claim):
            await _keep(tx, claim, outcome, now)
        return True


async def resource_in_flight(tx: Tx, service_id: UUID) -> UUID | None:
    """What a provider may list although no add-on is behind it."""
    wanted = select(ServiceCanary.resource_id).where(ServiceCanary.service_id == service_id)
    return (await tx.execute(wanted)).scalar_one_or_none()


def _due(now: datetime) -> Select[*tuple[Any, ...]]:
    wanted = or_(ServiceCanary.every_s.is_not(None), ServiceCanary.resource_id.is_not(None))
    free = or_(ServiceCanary.lease_until.is_(None), ServiceCanary.lease_until <= now)
    service = (AddonService.id, AddonService.slug, AddonService.state, AddonService.revision, AddonService.data_key)
    order = (ServiceCanary.every_s, ServiceCanary.plan, ServiceCanary.fencing, ServiceCanary.resource_id)
    return (
        select(*service, *order)
        .join(AddonService, AddonService.id == ServiceCanary.service_id)
        .where(ServiceCanary.next_at <= now, wanted, free, AddonService.state != SHUTDOWN)
        .order_by(ServiceCanary.next_at)
        .limit(1)
        .with_for_update(of=ServiceCanary, skip_locked=True)
    )


async def _claim(tx: Tx, ctx: Context, row: Row[Any], now: datetime) -> Claim:
    service = PartnerService(row.id, row.slug, row.state, row.revision, row.data_key, Role.OWNER)
    version = await newest_version(tx, ctx.vault, service)
    assert version is not None  # without one there is no order
    every = None if row.every_s is None else timedelta(seconds=row.every_s)
    return Claim(
        service_id=row.id,
        slug=row.slug,
        revision=row.revision,
        manifest=version.contents,
        every=every,
        plan=row.plan,
        fencing=row.fencing + 1,
        leftover=row.resource_id,
        at=now,
    )


def _ours(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The order, as long as nobody has taken it over."""
    return ServiceCanary.service_id == claim.service_id, ServiceCanary.fencing == claim.fencing


async def _is_current(tx: Tx, claim: Claim) -> bool:
    """Whether the service is still the one that was tried: a password that changes under a run makes it fail."""
    wanted = select(AddonService.revision).where(AddonService.id == claim.service_id)
    return bool((await tx.execute(wanted)).scalar_one() == claim.revision)


async def _keep(tx: Tx, claim: Claim, outcome: Outcome, now: datetime) -> None:
    before = await _passed_before(tx, claim.service_id)
    id_ = new_id()
    row = {
        "id": id_,
        "service_id": claim.service_id,
        "at": claim.at,
        "revision": claim.revision,
        "plan": outcome.plan,
        "passed": outcome.passed,
        "checks": [list(check) for check in outcome.checks],
        "provision_ms": outcome.provision_ms,
        "fault": outcome.fault,
    }
    await tx.execute(insert(CanaryRun).values(**row))
    old = delete(CanaryRun).where(CanaryRun.service_id == claim.service_id, CanaryRun.at < now - KEPT)
    await tx.execute(old)
    await show_reliability(tx, claim.service_id, now, wanted=True)
    await tell(tx, claim.service_id, claim.slug, [outcome.passed, *before], outcome.fault, now, str(id_))


async def _passed_before(tx: Tx, service_id: UUID) -> list[bool]:
    """How the runs before ended, the newest first; a service that was never tried counts as well."""
    wanted = select(CanaryRun.passed).where(CanaryRun.service_id == service_id)
    found = await tx.execute(wanted.order_by(CanaryRun.at.desc(), CanaryRun.id.desc()).limit(2))
    return [*found.scalars(), True, True][:2]
