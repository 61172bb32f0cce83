"""Working off the orphan ledger: one attempt to delete one orphan, behind the same gate as every other call.

An attempt is claimed by its number, so that it is made once, however often its job runs. It is never given up: the pauses
grow to six hours, and the row says what the provider answered last.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select, update

from broker.addons.advance import ProvisionerFor, make_place
from broker.addons.gate import USUAL, Held, Limits, admit
from broker.addons.intents import CALL_BOUND
from broker.addons.models import Addon, AddonState, Orphan, OrphanState, Ownership
from broker.addons.orphans import REAP, with_entry
from broker.addons.ports import Answer, DeprovisionCall, ProviderAccess, Reply
from broker.addons.work import history_entry
from broker.catalog.models import AddonService
from broker.catalog.queries import service_row
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.jobs import defer
from broker.kernel.pauses import asked_for, pause_after

LEASE: Final = timedelta(minutes=1)
"""How long an attempt belongs to who claimed it: longer than any call may last."""

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=6)
_HELD_FOR: Final = timedelta(seconds=10)
_ENQUEUED_FOR: Final = timedelta(minutes=1)
_AT_ONCE: Final = 100
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A claimed attempt with the call to make."""

    orphan_id: UUID
    addon_id: UUID
    service_id: UUID
    number: int
    since: datetime
    call: DeprovisionCall


_MAY_BE_DELETED: Final = (
    Orphan.state == OrphanState.OPEN,
    Addon.id == Orphan.addon_id,
    Addon.state == AddonState.DEPROVISIONED,
    Addon.ownership == Ownership.CREATED,
)
"""Only what this broker has made and nobody uses."""


async def enqueue_orphans(ctx: Context) -> int:
    """Defer a job for each orphan whose time has come; the number of them. Part of the worker's sweep."""
    now = ctx.clock.now()
    due = (
        select(Orphan.id, Orphan.attempts)
        .where(*_MAY_BE_DELETED, Orphan.next_at <= now)
        .order_by(Orphan.next_at)
        .limit(_AT_ONCE)
        .with_for_update(of=Orphan, skip_locked=True)
    )
    async with ctx.database.transaction() as tx:
        found = (await tx.execute(due)).all()
        taken = update(Orphan).where(Orphan.id.in_([row.id for row in found]))
        await tx.execute(taken.values(next_at=now + _ENQUEUED_FOR))
        for row in found:
            await defer(tx, REAP, {"orphan_id": str(row.id), "attempt": row.attempts})
    return len(found)


async def reap(
    ctx: Context, provisioner_for: ProvisionerFor, orphan_id: UUID, attempt: int, limits: Limits = USUAL
) -> None:
    """Make the attempt with this number, unless it was made already. No transaction is open during the call."""
    work = await again_on_deadlock(lambda: _claim(ctx, orphan_id, attempt, limits))
    if work is None:
        return
    reply = await provisioner_for(work.call).deprovision(work.call)
    gone = await _settle(ctx, work, reply)
    await make_place(ctx, work.service_id, reply, limits)
    _log.info("orphan.tried", orphan=str(orphan_id), addon=str(work.addon_id), answer=reply.answer.value, gone=gone)


async def _claim(ctx: Context, orphan_id: UUID, attempt: int, limits: Limits) -> _Attempt | None:
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        ours = (Orphan.id == orphan_id, Orphan.attempts == attempt)
        free = or_(Orphan.lease_until.is_(None), Orphan.lease_until <= now)
        remote_id = func.coalesce(Orphan.provider_id, Addon.provider_id).label("remote_id")
        statement = (
            select(Orphan.addon_id, Orphan.service_id, remote_id, Orphan.since, AddonService.name)
            .join(AddonService, AddonService.id == Orphan.service_id)
            .where(*ours, free, *_MAY_BE_DELETED)
            .with_for_update(of=Orphan, skip_locked=True)
        )
        row = (await tx.execute(statement)).one_or_none()
        if row is None:
            return None
        if held := await admit(tx, row.service_id, row.name, now, limits):
            await _hold(tx, orphan_id, held, now)
            return None
        until = now + LEASE
        await tx.execute(
            update(Orphan).where(*ours).values(attempts=attempt + 1, lease_until=until, next_at=until, updated_at=now)
        )
        call = DeprovisionCall(await access_to(tx, ctx, row.service_id), row.addon_id, row.remote_id)
        return _Attempt(orphan_id, row.addon_id, row.service_id, attempt + 1, row.since, call)


async def access_to(tx: Tx, ctx: Context, service_id: UUID) -> ProviderAccess:
    """How to reach the provider of a service."""
    row = await service_row(tx, ctx, service_id)
    return ProviderAccess(
        row.slug, row.api_version, row.base_url, row.url_style, row.secrets.password, row.old_password
    )


async def _hold(tx: Tx, orphan_id: UUID, held: Held, now: datetime) -> None:
    """Not now: it stays due, with the reason, and counts as no attempt."""
    later = update(Orphan).where(Orphan.id == orphan_id)
    await tx.execute(later.values(next_at=held.until or now + _HELD_FOR, last_answer=held.why, updated_at=now))


async def _settle(ctx: Context, work: _Attempt, reply: Reply) -> bool:
    """Write what came of it, if it is still open and ours; whether the resource is gone."""
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        gone = _is_gone(work, reply, now)
        written = (
            update(Orphan)
            .where(Orphan.id == work.orphan_id, Orphan.attempts == work.number, Orphan.state == OrphanState.OPEN)
            .values(**(_deleted() if gone else _later(work, reply, now)))
            .values(
                lease_until=None,
                updated_at=now,
                last_answer=said(reply),
                history=with_entry(history_entry(now, "delete", reply.answer, status=reply.status, note=reply.note)),
            )
        )
        if (await tx.execute(written)).rowcount != 1:
            return False
        if gone:
            await emit(tx, "orphan.deleted", SYSTEM, now, addon_id=work.addon_id, attempts=work.number)
        return gone


def said(reply: Reply) -> str:
    """An answer in a few words, for operators."""
    status = f" {reply.status}" if reply.status else ""
    return f"{reply.answer}{status}{f': {reply.note}' if reply.note else ''}"


def _is_gone(work: _Attempt, reply: Reply, now: datetime) -> bool:
    if work.call.access.is_v1 and work.call.provider_id is None:
        return False  # nothing was sent: such a provider knows it by an id that never arrived
    if reply.answer is Answer.MISSING:
        return now >= work.since + CALL_BOUND  # before, a provision that timed out here may still be made there
    return reply.answer in (Answer.DONE, Answer.GONE)


def _deleted() -> dict[str, Any]:
    return {"state": OrphanState.DELETED, "next_at": None}


def _later(work: _Attempt, reply: Reply, now: datetime) -> dict[str, Any]:
    pause = pause_after(work.number, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    return {"next_at": now + max(pause, asked_for(reply.retry_after_s, LONGEST_PAUSE))}
