"""Having the provider withdraw old credentials: when every app has the new ones, or when the overlap is over.

One attempt is claimed by its number, so that it is made once, however often its job runs. It is never given up while the
add-on is there: the pauses grow to an hour, and the row says what the provider answered last.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, case, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.acknowledge import acknowledge_told, waited_for
from broker.addons.advance import make_place
from broker.addons.gate import USUAL, Held, Limits, admit
from broker.addons.generations import REVOKE
from broker.addons.models import (
    Acknowledgement,
    Addon,
    AddonState,
    Operation,
    Rotation,
    RotationApp,
    RotationState,
)
from broker.addons.outcomes import REVOKED
from broker.addons.ports import Provisioner, Reply, RevokeCall
from broker.addons.reap import access_to, said
from broker.addons.rotate import CAPABILITY
from broker.addons.work import history_entry
from broker.catalog.models import AddonService
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.jobs import defer
from broker.kernel.pauses import asked_for, pause_after
from broker.kernel.signals import notify

RevokerFor = Callable[[RevokeCall], Provisioner]

LEASE: Final = timedelta(minutes=1)
"""How long an attempt belongs to who claimed it: longer than any call may last."""

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=1)
_HELD_FOR: Final = timedelta(seconds=10)
_ENQUEUED_FOR: Final = timedelta(minutes=1)
_AT_ONCE: Final = 100
_OPEN: Final = (RotationState.OVERLAP, RotationState.REVOKING)
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A claimed attempt with the call to make."""

    rotation_id: UUID
    service_id: UUID
    number: int
    call: RevokeCall


def _due(now: datetime) -> ColumnElement[bool]:
    untaken = and_(Rotation.state == RotationState.OVERLAP, ~waited_for)
    return and_(Rotation.state.in_(_OPEN), or_(Rotation.next_at <= now, untaken))


async def enqueue_rotations(ctx: Context) -> int:
    """Defer a job for each rotation whose old credentials may go, and close those whose add-on is gone. The number of
    jobs. Part of the worker's sweep."""
    now = ctx.clock.now()
    due = select(Rotation.id, Rotation.attempts).where(Rotation.finished_at.is_(None), _due(now))
    async with ctx.database.transaction() as tx:
        await _close_vanished(tx, now)
        await acknowledge_told(tx, now)
        locked = due.order_by(Rotation.next_at).limit(_AT_ONCE).with_for_update(of=Rotation, skip_locked=True)
        found = (await tx.execute(locked)).all()
        taken = update(Rotation).where(Rotation.id.in_([row.id for row in found]))
        await tx.execute(taken.values(next_at=now + _ENQUEUED_FOR))
        for row in found:
            await defer(tx, REVOKE, {"rotation_id": str(row.id), "attempt": row.attempts})
    return len(found)


async def _close_vanished(tx: Tx, now: datetime) -> None:
    """With the add-on, its credentials go too."""
    ended = case((Rotation.issued_at.is_(None), RotationState.FAILED), else_=RotationState.FINISHED)
    vanished = Addon.state.in_((AddonState.DEPROVISIONING, AddonState.DEPROVISIONED))
    await tx.execute(
        update(Rotation)
        .where(Rotation.finished_at.is_(None), Addon.id == Rotation.addon_id, vanished)
        .values(state=ended, finished_at=now, next_at=None, lease_until=None, last_answer="the add-on was destroyed")
    )


async def revoke(
    ctx: Context, provisioner_for: RevokerFor, rotation_id: UUID, attempt: int, limits: Limits = USUAL
) -> None:
    """Make the attempt with this number, unless it was made already. No transaction is open during the call."""
    work = await again_on_deadlock(lambda: _claim(ctx, rotation_id, attempt, limits))
    if work is None:
        return
    reply = await provisioner_for(work.call).revoke(work.call)
    over = await _settle(ctx, work, reply)
    await make_place(ctx, work.service_id, reply, limits)
    _log.info("rotation.tried", rotation=str(rotation_id), addon=str(work.call.uuid), answer=reply.answer, over=over)


async def _claim(ctx: Context, rotation_id: UUID, attempt: int, limits: Limits) -> _Attempt | None:
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        ours = (Rotation.id == rotation_id, Rotation.attempts == attempt)
        free = or_(Rotation.lease_until.is_(None), Rotation.lease_until <= now)
        over = or_(Rotation.revoke_at <= now, ~waited_for)
        statement = (
            select(
                Rotation.addon_id, Rotation.by_provider, Addon.provider_id, Addon.service_id,
                AddonService.name, AddonService.capabilities,
            )
            .join(Addon, Addon.id == Rotation.addon_id)
            .join(AddonService, AddonService.id == Addon.service_id)
            .where(*ours, free, over, Rotation.state.in_(_OPEN), Addon.state == AddonState.PROVISIONED)
            .with_for_update(of=Rotation, skip_locked=True)
        )  # fmt: skip
        row = (await tx.execute(statement)).one_or_none()
        if row is None:
            return None
        if CAPABILITY not in row.capabilities:
            await _finish(tx, rotation_id, row.addon_id, "the provider withdraws them by itself", now)
            return None
        if held := await admit(tx, row.service_id, row.name, now, limits):
            await _hold(tx, rotation_id, held, now)
            return None
        await _begin(tx, rotation_id, attempt + 1, now)
        call = RevokeCall(await access_to(tx, ctx, row.service_id), row.addon_id, row.provider_id, rotation_id)
        return _Attempt(rotation_id, row.service_id, attempt + 1, call)


async def _begin(tx: Tx, rotation_id: UUID, number: int, now: datetime) -> None:
    until = now + LEASE
    begun = update(Rotation).where(Rotation.id == rotation_id)
    await tx.execute(begun.values(state=RotationState.REVOKING, attempts=number, lease_until=until, next_at=until))
    late = update(RotationApp).where(
        RotationApp.rotation_id == rotation_id, RotationApp.acknowledged_at.is_(None), RotationApp.how.is_(None)
    )
    await tx.execute(late.values(how=Acknowledgement.DEADLINE))


async def _hold(tx: Tx, rotation_id: UUID, held: Held, now: datetime) -> None:
    """Not now: it stays due, with the reason, and counts as no attempt."""
    later = update(Rotation).where(Rotation.id == rotation_id)
    await tx.execute(later.values(next_at=held.until or now + _HELD_FOR, last_answer=held.why))


async def _settle(ctx: Context, work: _Attempt, reply: Reply) -> bool:
    """Write what came of it, if the attempt is still ours; whether the old credentials are gone."""
    over = reply.answer in REVOKED
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        ours = select(Rotation.operation_id).where(
            Rotation.id == work.rotation_id, Rotation.attempts == work.number, Rotation.finished_at.is_(None)
        )
        row = (await tx.execute(ours.with_for_update())).one_or_none()
        if row is None:
            return False
        await _note(tx, row.operation_id, reply, now)
        if over:
            await _finish(tx, work.rotation_id, work.call.uuid, said(reply), now)
        else:
            later = update(Rotation).where(Rotation.id == work.rotation_id)
            await tx.execute(later.values(lease_until=None, last_answer=said(reply), **_later(work, reply, now)))
    return over


async def _note(tx: Tx, operation_id: UUID | None, reply: Reply, now: datetime) -> None:
    """The history of the operation that issued the credentials goes on until the old ones are gone."""
    entry: list[Any] = history_entry(now, "revoke", reply.answer, status=reply.status, note=reply.note)
    told = update(Operation).where(Operation.id == operation_id)
    await tx.execute(told.values(updated_at=now, history=Operation.history.op("||")(literal(entry, JSONB))))


async def _finish(tx: Tx, rotation_id: UUID, addon_id: UUID, answer: str, now: datetime) -> None:
    ended = (
        update(Rotation)
        .where(Rotation.id == rotation_id, Addon.id == Rotation.addon_id)
        .values(state=RotationState.FINISHED, finished_at=now, next_at=None, lease_until=None, last_answer=answer)
        .returning(Rotation.generation, Addon.app_id)
    )
    row = (await tx.execute(ended)).one()
    await emit(
        tx, "credentials.overlap_ended", SYSTEM, now, app_id=row.app_id, addon_id=addon_id, generation=row.generation,
        answer=answer,
    )  # fmt: skip
    await notify(tx, rotation_id)


def _later(work: _Attempt, reply: Reply, now: datetime) -> dict[str, Any]:
    pause = pause_after(work.number, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    return {"next_at": now + max(pause, asked_for(reply.retry_after_s, LONGEST_PAUSE))}
