"""Keeping providers apart: how many calls a service may have under way, how fast they start, and when it is left alone.

One row per service, locked while a claim is decided, so that any number of workers count together. An operation that is not
let through stays pending: `queued` until a call ends, or until the time that the circuit or the rate gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Text, bindparam, case, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.addons.models import (
    Addon,
    AddonCredential,
    Operation,
    OperationState,
    Orphan,
    OrphanState,
    ProviderHealth,
    Rotation,
)
from broker.addons.ports import Answer, Reply
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record, filled, placeholders
from broker.kernel.jobs import demote

QUEUED: Final = "queued"
"""The step of a pending operation that waits for a place."""


CROWDED: Final = timedelta(seconds=10)
"""How long a service counts as crowded after an operation had to wait."""


class Circuit(StrEnum):
    """Whether a service is called: `closed` as usual, `open` not at all, `half_open` one call to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service may take of the broker."""

    concurrency: int = 10
    per_second: float = 100.0
    burst: int = 200
    faults_to_open: int = 5
    first_pause: timedelta = timedelta(seconds=10)
    longest_pause: timedelta = timedelta(minutes=5)


USUAL: Final = Limits()

OK_NOTED_EVERY: Final = timedelta(seconds=10)
"""How exactly the time of the last good answer is known, while there are no others."""


@dataclass(frozen=True, slots=True)
class Held:
    """An operation was not let through. Without `until`, the end of another call wakes it."""

    why: str
    until: datetime | None
    broken: bool = False
    """Whether the circuit is open: those who wait for an answer are better told."""


_FAULTS: Final = frozenset(
    {Answer.NOT_SENT, Answer.LOST, Answer.SERVER_ERROR, Answer.TIMEOUT_STATUS, Answer.MALFORMED, Answer.OVERSIZED}
)
"""Answers that say more about the provider than about the request."""


async def admit(tx: Tx, service_id: UUID, service: str, now: datetime, limits: Limits) -> Held | None:
    """Let one more call of this service begin, or say why not.

    Transactions: the caller's claim; the row of the service stays locked until it ends.
    """
    row = await _locked(tx, service_id)
    held = _held_back(row, await _running(tx, service_id, now), service, now, limits)
    if held is None:
        await _pass(tx, service_id, row.circuit, row.next_slot, now, limits)
    elif row.crowded_until is None or row.crowded_until <= now + CROWDED / 2:
        await _note_crowd(tx, service_id, now)
    return held


def _held_back(row: Any, running: int, service: str, now: datetime, limits: Limits) -> Held | None:
    if row.circuit != Circuit.CLOSED:
        if row.retry_at > now:
            return Held(
                f"{service} does not answer; it is asked again at {row.retry_at:%H:%M:%S} UTC.", row.retry_at, True
            )
        if row.circuit == Circuit.HALF_OPEN and running:
            return Held(f"{service} did not answer lately and is being tried.", None, True)
    elif running >= limits.concurrency:
        return Held(f"{service} has {running} operations under way; this one waits for its turn.", None)
    begins = _slot(row.next_slot, now, limits)
    if begins > now:
        return Held(f"{service} is asked at most {limits.per_second:g} times a second.", begins)
    return None


async def _note_crowd(tx: Tx, service_id: UUID, now: datetime) -> None:
    """There is a queue: jobs of this service, those that are there and those that come, go behind the jobs of others."""
    changed = update(ProviderHealth).where(ProviderHealth.service_id == service_id)
    await tx.execute(changed.values(crowded_until=now + CROWDED))
    unfinished = (
        select(cast(Operation.id, Text))
        .join(Addon, Addon.id == Operation.addon_id)
        .where(Addon.service_id == service_id, Operation.finished_at.is_(None))
    )
    await demote(tx, "operation_id", list((await tx.execute(unfinished)).scalars()))


async def _locked(tx: Tx, service_id: UUID) -> Any:
    row = await _LOCK.first(tx, service_id=service_id)
    if row is None:
        new = insert(ProviderHealth).values(service_id=service_id, circuit=Circuit.CLOSED, faults=0)
        await tx.execute(new.on_conflict_do_nothing())
        row = await _LOCK.first(tx, service_id=service_id)
    return row


_OF_SERVICE: Final = ProviderHealth.service_id == bindparam("service_id")
_LOCK: Final = Direct(
    select(ProviderHealth.circuit, ProviderHealth.retry_at, ProviderHealth.next_slot, ProviderHealth.crowded_until)
    .where(_OF_SERVICE)
    .with_for_update()
)


async def _running(tx: Tx, service_id: UUID, now: datetime) -> int:
    return int((await _RUNNING.all(tx, service_id=service_id, now=now))[0][0])


_SERVICE: Final = bindparam("service_id", type_=ProviderHealth.service_id.type)
_NOW: Final = bindparam("now", type_=Operation.created_at.type)
_CALLED: Final = (
    select(func.count())
    .select_from(Operation)
    .join(Addon, Addon.id == Operation.addon_id)
    .where(Addon.service_id == _SERVICE, Operation.state == OperationState.RUNNING, Operation.lease_until > _NOW)
)
_REAPED: Final = select(func.count()).where(
    Orphan.service_id == _SERVICE, Orphan.state == OrphanState.OPEN, Orphan.lease_until > _NOW
)
_REVOKED: Final = (
    select(func.count())
    .select_from(Rotation)
    .join(Addon, Addon.id == Rotation.addon_id)
    .where(Addon.service_id == _SERVICE, Rotation.lease_until > _NOW)
)
_LENT: Final = (
    select(func.count())
    .select_from(AddonCredential)
    .join(Addon, Addon.id == AddonCredential.addon_id)
    .where(Addon.service_id == _SERVICE, AddonCredential.next_at.is_not(None), AddonCredential.lease_until > _NOW)
)
_RUNNING: Final = Direct(
    select(_CALLED.scalar_subquery() + _REAPED.scalar_subquery() + _REVOKED.scalar_subquery() + _LENT.scalar_subquery())
)


def _slot(next_slot: datetime | None, now: datetime, limits: Limits) -> datetime:
    """When a call may begin, by the generic cell rate algorithm. `next_slot` runs ahead of time by what was used."""
    ahead = timedelta(seconds=limits.burst / limits.per_second)
    return now if next_slot is None else max(now, next_slot - ahead)


async def _pass(
    tx: Tx, service_id: UUID, circuit: str, next_slot: datetime | None, now: datetime, limits: Limits
) -> None:
    moved = max(next_slot or now, now) + timedelta(seconds=1 / limits.per_second)
    state = Circuit.CLOSED if circuit == Circuit.CLOSED else Circuit.HALF_OPEN
    await _PASS.all(tx, service=service_id, **filled({"next_slot": moved, "circuit": state}))


_PASS: Final = Direct(
    update(ProviderHealth)
    .where(ProviderHealth.service_id == bindparam("service"))
    .values(placeholders("next_slot circuit"))
)


async def note_reply(ctx: Context, service_id: UUID, reply: Reply, limits: Limits) -> bool:
    """Count a fault, or forget them all; open and close the circuit. Whether that has closed it.

    Transactions: one of its own, after the settlement; what is counted wrongly by a crash here mends itself.
    """
    if reply.answer is Answer.DEADLINE:
        return False
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        if reply.answer in _FAULTS:
            await _count_fault(tx, service_id, reply, now, limits)
            return False
        return await _forget_faults(tx, service_id, now)


async def _count_fault(tx: Tx, service_id: UUID, reply: Reply, now: datetime, limits: Limits) -> None:
    faults = ProviderHealth.faults + 1
    broken = (faults >= limits.faults_to_open) | (ProviderHealth.circuit != Circuit.CLOSED)
    over = func.greatest(faults - limits.faults_to_open, 0)
    pause = func.least(
        func.make_interval(0, 0, 0, 0, 0, 0, limits.first_pause.total_seconds() * func.power(2, func.least(over, 12))),
        func.make_interval(0, 0, 0, 0, 0, 0, limits.longest_pause.total_seconds()),
    )
    before = select(ProviderHealth.circuit).where(ProviderHealth.service_id == service_id).with_for_update()
    was = (await tx.execute(before)).scalar()
    changed = (
        update(ProviderHealth)
        .where(ProviderHealth.service_id == service_id)
        .values(
            faults=faults,
            circuit=case((broken, Circuit.OPEN), else_=ProviderHealth.circuit),
            retry_at=case((broken, now + pause), else_=ProviderHealth.retry_at),
            last_fault_at=now,
            last_fault=f"{reply.answer}{f' {reply.status}' if reply.status else ''}",
        )
        .returning(ProviderHealth.circuit)
    )
    if (await tx.execute(changed)).scalar() == Circuit.OPEN and was == Circuit.CLOSED:
        await emit(tx, "provider.circuit_opened", SYSTEM, now, service_id=str(service_id), fault=reply.answer.value)


async def _forget_faults(tx: Tx, service_id: UUID, now: datetime) -> bool:
    before = await _FAULTS_SO_FAR.first(tx, service_id=service_id)
    if before is None or not _is_news(before, now):
        return False
    well = update(ProviderHealth).where(ProviderHealth.service_id == service_id)
    changed = well.values(faults=0, circuit=Circuit.CLOSED, retry_at=None, last_ok_at=now)
    await tx.execute(changed)
    if before.circuit != Circuit.CLOSED:
        await emit(tx, "provider.circuit_closed", SYSTEM, now, service_id=str(service_id))
    return bool(before.circuit != Circuit.CLOSED)


_FAULTS_SO_FAR: Final = Direct(
    select(ProviderHealth.circuit, ProviderHealth.faults, ProviderHealth.last_ok_at).where(_OF_SERVICE)
)


def _is_news(before: Record, now: datetime) -> bool:
    """Whether an answer changes anything: of a provider that is well, it is noted every few seconds only."""
    stale = before.last_ok_at is None or now - before.last_ok_at >= OK_NOTED_EVERY
    return bool(stale or before.faults or before.circuit != Circuit.CLOSED)


async def next_in_queue(tx: Tx, service_id: UUID, now: datetime, places: int = 1) -> list[UUID]:
    """Make the operations that wait longest for a place of this service due; their ids, each of which needs a job."""
    return [row[0] for row in await _WAKE.all(tx, service_id=service_id, now=now, places=places)]


_LONGEST_WAITING: Final = (
    select(Operation.id)
    .join(Addon, Addon.id == Operation.addon_id)
    .where(Addon.service_id == _SERVICE, Operation.step == QUEUED, Operation.state == OperationState.PENDING)
    .order_by(Operation.created_at)
    .limit(bindparam("places", type_=BigInteger))
    .with_for_update(of=Operation, skip_locked=True)
)
_WAKE: Final = Direct(
    update(Operation)
    .where(Operation.id.in_(_LONGEST_WAITING.scalar_subquery()))
    .values(next_at=_NOW, step="call")
    .returning(Operation.id)
)
