"""Having a provider make and remove logins of their own: one attempt at a time, claimed by its number.

A login that could not be made for certain is removed, one that is not used any more too, for as long as it takes; with the
add-on they all go.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import and_, delete, exists, or_, select, update

from broker.addons.advance import make_place
from broker.addons.credentials import LEND, NAMESPACE, begin_removing, seal_config
from broker.addons.gate import USUAL, Held, Limits, admit
from broker.addons.intents import CALL_BOUND
from broker.addons.models import Addon, AddonCredential, AddonState, Attachment, CredentialState
from broker.addons.outcomes import LENDING, REVOKED, Conclusion, told
from broker.addons.ports import LendCall, Provisioner, Reply, TakeBackCall
from broker.addons.reap import access_to, said
from broker.apps.releases import app_key
from broker.catalog.models import AddonService
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.errors import NotFound
from broker.kernel.jobs import defer
from broker.kernel.pauses import asked_for, pause_after
from broker.kernel.signals import notify

LenderFor = Callable[[LendCall | TakeBackCall], Provisioner]

LEASE: Final = timedelta(minutes=1)
"""How long an attempt belongs to who claimed it: longer than any call may last."""

ATTEMPTS: Final = 5
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
UNUSED_AFTER: Final = timedelta(hours=1)
"""When a credential that was made for an attachment, and never was attached, goes."""

FAILED_KEPT: Final = timedelta(hours=24)
_HELD_FOR: Final = timedelta(seconds=10)
_ENQUEUED_FOR: Final = timedelta(minutes=1)
_AT_ONCE: Final = 100
_ASKED: Final = (CredentialState.CREATING, CredentialState.REMOVING)
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A claimed attempt with the call to make."""

    credential_id: UUID
    service_id: UUID
    service_name: str
    app_id: UUID
    declared: tuple[str, ...]
    number: int
    call: LendCall | TakeBackCall


async def enqueue_credentials(ctx: Context) -> int:
    """Defer a job for each credential that is due, and begin to remove what nobody uses. The number of jobs. Part of the
    worker's sweep."""
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        await _forget_vanished(tx, now)
        for credential_id in (await tx.execute(_unused(now))).scalars().all():
            await begin_removing(tx, credential_id, SYSTEM, now)
        due = (
            select(AddonCredential.id, AddonCredential.attempts)
            .where(AddonCredential.state.in_(_ASKED), AddonCredential.next_at <= now)
            .order_by(AddonCredential.next_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        found = (await tx.execute(due)).all()
        taken = update(AddonCredential).where(AddonCredential.id.in_([row.id for row in found]))
        await tx.execute(taken.values(next_at=now + _ENQUEUED_FOR))
        for row in found:
            await defer(tx, LEND, {"credential_id": str(row.id), "attempt": row.attempts})
    return len(found)


async def _forget_vanished(tx: Tx, now: datetime) -> None:
    """With the add-on, its logins go; what failed is shown for a day."""
    gone = exists().where(Addon.id == AddonCredential.addon_id, Addon.state == AddonState.DEPROVISIONED)
    failed = and_(AddonCredential.state == CredentialState.FAILED, AddonCredential.updated_at < now - FAILED_KEPT)
    await tx.execute(delete(AddonCredential).where(or_(gone, failed)))


def _unused(now: datetime) -> Any:
    attached = exists().where(
        Attachment.addon_id == AddonCredential.addon_id, Attachment.namespace == NAMESPACE + AddonCredential.name
    )
    over = or_(AddonCredential.was_attached, AddonCredential.created_at < now - UNUSED_AFTER)
    ours = (AddonCredential.state == CredentialState.ACTIVE, AddonCredential.while_attached, over)
    return select(AddonCredential.id).where(*ours, ~attached).limit(_AT_ONCE)


async def lend(ctx: Context, lender_for: LenderFor, credential_id: UUID, attempt: int, limits: Limits = USUAL) -> None:
    """Make the attempt with this number, unless it was made already. No transaction is open during the call."""
    work = await again_on_deadlock(lambda: _claim(ctx, credential_id, attempt, limits))
    if work is None:
        return
    provider = lender_for(work.call)
    removing = isinstance(work.call, TakeBackCall)
    reply = await (provider.take_back(work.call) if isinstance(work.call, TakeBackCall) else provider.lend(work.call))
    async with ctx.database.transaction() as tx:
        await (_settle_removal if removing else _settle_making)(tx, ctx, work, reply)
    await make_place(ctx, work.service_id, reply, limits)
    _log.info("credential.tried", credential=str(credential_id), removing=removing, answer=reply.answer.value)


async def _claim(ctx: Context, credential_id: UUID, attempt: int, limits: Limits) -> _Attempt | None:
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        free = or_(AddonCredential.lease_until.is_(None), AddonCredential.lease_until <= now)
        statement = (
            select(
                AddonCredential.name.label("label"), AddonCredential.permission, AddonCredential.state,
                AddonCredential.addon_id, Addon.app_id, Addon.provider_id, Addon.service_id, AddonService.name,
                AddonService.config_vars,
            )
            .join(Addon, Addon.id == AddonCredential.addon_id)
            .join(AddonService, AddonService.id == Addon.service_id)
            .where(AddonCredential.id == credential_id, AddonCredential.attempts == attempt, free)
            .where(AddonCredential.state.in_(_ASKED), Addon.state == AddonState.PROVISIONED)
            .with_for_update(of=AddonCredential, skip_locked=True)
        )  # fmt: skip
        row = (await tx.execute(statement)).one_or_none()
        if row is None:
            return None
        if held := await admit(tx, row.service_id, row.name, now, limits):
            await _hold(tx, credential_id, held, now)
            return None
        until = now + LEASE
        begun = update(AddonCredential).where(AddonCredential.id == credential_id)
        await tx.execute(begun.values(attempts=attempt + 1, lease_until=until, next_at=until))
        access = await access_to(tx, ctx, row.service_id)
        call: LendCall | TakeBackCall = TakeBackCall(access, row.addon_id, row.provider_id, credential_id)
        if row.state == CredentialState.CREATING:
            call = LendCall(access, row.addon_id, row.provider_id, credential_id, row.label, row.permission)
        declared = tuple(row.config_vars)
        return _Attempt(credential_id, row.service_id, row.name, row.app_id, declared, attempt + 1, call)


async def _hold(tx: Tx, credential_id: UUID, held: Held, now: datetime) -> None:
    """Not now: it stays due, with the reason, and counts as no attempt."""
    later = update(AddonCredential).where(AddonCredential.id == credential_id)
    await tx.execute(later.values(next_at=held.until or now + _HELD_FOR, last_answer=held.why))


async def _settle_making(tx: Tx, ctx: Context, work: _Attempt, reply: Reply) -> None:
    now, row = ctx.clock.now(), LENDING[reply.answer]
    config = {name: value for name, value in reply.config.items() if name in work.declared}
    if row.conclusion is Conclusion.SUCCEED and config:
        try:
            key = await app_key(tx, ctx.vault, work.app_id)
        except NotFound:
            return  # the billing app was destroyed, and the add-on goes with it
        sealed = seal_config(work.credential_id, key, config)
        done = {"state": CredentialState.ACTIVE, "next_at": None, "config_sealed": sealed, "reason": None}
        if await _write(tx, work, reply, now, done):
            await emit(tx, "credential.created", SYSTEM, now, app_id=work.app_id, addon_id=work.call.uuid)
            await notify(tx, work.credential_id)
        return
    reason = told(row, work.service_name, reply)
    if row.conclusion is Conclusion.RETRY and work.number < ATTEMPTS:
        await _write(tx, work, reply, now, {"next_at": now + _pause(work, reply), "reason": reason})
    elif row.conclusion is Conclusion.FAIL:
        if await _write(tx, work, reply, now, {"state": CredentialState.FAILED, "next_at": None, "reason": reason}):
            await notify(tx, work.credential_id)
    elif await _write(tx, work, reply, now, {}):
        # It may have been made, or may still be; after the bound no call can make it any more.
        await begin_removing(tx, work.credential_id, SYSTEM, now, at=now + CALL_BOUND, reason=reason)
        await notify(tx, work.credential_id)


async def _settle_removal(tx: Tx, ctx: Context, work: _Attempt, reply: Reply) -> None:
    now = ctx.clock.now()
    if reply.answer not in REVOKED:
        await _write(tx, work, reply, now, {"next_at": now + _pause(work, reply)})
        return
    gone = delete(AddonCredential).where(
        AddonCredential.id == work.credential_id, AddonCredential.attempts == work.number
    )
    if (await tx.execute(gone)).rowcount == 1:
        await emit(tx, "credential.removed", SYSTEM, now, app_id=work.app_id, addon_id=work.call.uuid)


async def _write(tx: Tx, work: _Attempt, reply: Reply, now: datetime, values: dict[str, Any]) -> bool:
    """Write what came of the attempt, if it is still ours."""
    written = (
        update(AddonCredential)
        .where(AddonCredential.id == work.credential_id, AddonCredential.attempts == work.number)
        .values(lease_until=None, updated_at=now, last_answer=said(reply), **values)
    )
    return (await tx.execute(written)).rowcount == 1


def _pause(work: _Attempt, reply: Reply) -> timedelta:
    pause = pause_after(work.number, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    return max(pause, asked_for(reply.retry_after_s, LONGEST_PAUSE))
