"""The one door through which an outcome becomes state, config vars, releases, usage periods, orphans and events.

The worker's replies, the provider's later "provisioned" call and the watchdog all come through here. Order of locks: apps,
add-on, operation; the last statement is a compare-and-set on the operation, and losing it undoes everything.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.config import give_to_apps, store_config, take_from_apps
from broker.addons.generations import record_new_config
from broker.addons.intents import quiet_from, start_operation
from broker.addons.locks import AttachmentsMoved, LockedAddon, lock_addon
from broker.addons.models import (
    ADDON_TRANSITIONS,
    Addon,
    AddonConfig,
    AddonState,
    Operation,
    OperationKind,
    OperationState,
    Suspension,
)
from broker.addons.orphans import record_orphan
from broker.addons.outcomes import Conclusion, decide, told
from broker.addons.ports import Answer, Reply
from broker.addons.settle_rotation import refresh_failed, refreshed, rotated, rotation_accepted, rotation_failed
from broker.addons.settlement import (
    SettledElsewhere,
    Settlement,
    acceptable,
    error_id_of,
    finish,
    retry,
    update_operation,
)
from broker.addons.suspended import is_account_suspended, note_suspended
from broker.addons.trials import begin_trial, leave_trial
from broker.addons.work import Work, history_entry
from broker.billing.timeline import Mode
from broker.billing.usage import Subject, end_period, price_terms, start_period
from broker.catalog.models import Plan
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import new_id
from broker.kernel.jobs import defer

ACCEPTED_FOR: Final = timedelta(hours=12)
"""How long a provider that answered 202 has to finish. Source: Add-on Partner API, asynchronous provisioning."""

T = TypeVar("T")
_chance = random.SystemRandom()


async def settle(ctx: Context, work: Work, reply: Reply) -> bool:
    """Make the reply true in the database; False if somebody else had settled the operation before.

    Transactions: one, all or nothing; afterwards a second, small one if the reply came too late to decide.
    """
    try:
        await with_locks(ctx, lambda tx: _settle(tx, ctx, work, reply))
    except SettledElsewhere:
        await with_locks(ctx, lambda tx: _note_late_reply(tx, ctx, work, reply))
        return False
    return True


async def with_locks(ctx: Context, body: Callable[[Tx], Awaitable[T]]) -> T:
    """Run `body` in a transaction, again from the start if the attachments moved while it took its locks."""

    async def once() -> T:
        async with ctx.database.transaction() as tx:
            return await body(tx)

    return await until_locked(once)


async def until_locked(whole: Callable[[], Awaitable[T]]) -> T:
    """Run a whole transaction that takes an add-on's locks, again for as long as others come in between."""
    while True:
        try:
            return await again_on_deadlock(whole)
        except AttachmentsMoved:
            continue


async def _settle(tx: Tx, ctx: Context, work: Work, reply: Reply) -> None:
    addon = await lock_addon(tx, ctx, work.addon_id)
    row = await _HELD.first(tx, operation_id=work.operation_id, fencing=work.fencing)
    if addon is None or row is None:
        raise SettledElsewhere
    actor = Actor(row.actor_id, row.actor_email, frozenset({Scope.GLOBAL}))
    decision = decide(work.kind, reply, attempts=work.attempts, expired=work.expired, jitter=_chance.random())
    settlement = Settlement(work, reply, decision, addon, actor, ctx.clock.now(), row.plan_id, row.may_exist)
    await _EFFECTS[work.kind, decision.conclusion](tx, ctx, settlement)


_HELD: Final = Direct(
    select(Operation.plan_id, Operation.actor_id, Operation.actor_email, Operation.may_exist).where(
        Operation.id == bindparam("operation_id"),
        Operation.fencing == bindparam("fencing"),
        Operation.finished_at.is_(None),
    )
)
"""The operation, as long as whoever claimed it holds it."""


async def _provisioned(tx: Tx, ctx: Context, s: Settlement) -> None:
    try:
        async with tx.begin_nested():
            await complete_provision(tx, s.addon, s.reply, s.actor, s.at)
    except InvalidParams as refusal:
        await _failed_provision(tx, ctx, s, reason=f"{s.addon.service_name}: {refusal.message}", orphan=True)
        return
    await finish(tx, s, OperationState.SUCCEEDED)


async def complete_provision(tx: Tx, addon: LockedAddon, reply: Reply, actor: Actor, at: datetime) -> None:
    """The resource is there: config, releases, usage and event.

    Raises: InvalidParams if the values do not fit into an app's environment.
    """
    unpaid = addon.mode is Mode.PAID and not addon.is_free and await is_account_suspended(tx, addon.payer_id)
    halted: dict[str, Any] = {"suspended_at": at, "suspended_for": Suspension.UNPAID} if unpaid else {}
    await transition(tx, addon, AddonState.PROVISIONED, at, **_known(reply), **halted)
    addon = replace(addon, **halted)
    await store_config(tx, addon, acceptable(addon, reply))
    await give_to_apps(tx, addon, "Attach", actor, at)
    await start_period(tx, _subject(addon), at)
    if addon.on_trial:
        await begin_trial(tx, addon.id, addon.trial_days, at)
    await emit(tx, "addon.provisioned", actor, at, app_id=addon.app_id, addon_id=addon.id, plan=addon.plan_name)
    if unpaid:
        await note_suspended(tx, addon, Suspension.UNPAID, SYSTEM, at)


def _known(reply: Reply) -> dict[str, Any]:
    known = {"provider_id": reply.provider_id, "provision_message": reply.message}
    return {key: value for key, value in known.items() if value is not None}


def _subject(addon: LockedAddon) -> Subject:
    if addon.payer_id is None:
        raise SettledElsewhere
    return Subject(
        addon_id=addon.id,
        app_id=addon.app_id,
        payer_id=addon.payer_id,
        plan_id=addon.plan_id,
        price_cents=addon.price_cents,
        currency=addon.currency,
        service=addon.service,
        plan=addon.plan,
        terms=price_terms(addon.meters, addon.suspended_cents),
        mode=addon.mode,
    )


async def transition(tx: Tx, addon: LockedAddon, to: AddonState, at: datetime, **values: Any) -> None:
    """Move the add-on to a state, if that is legal from where it is: the only statement that changes its state.

    Raises: SettledElsewhere if it is not legal.
    """
    if to not in ADDON_TRANSITIONS[addon.state]:
        raise SettledElsewhere
    if to is AddonState.DEPROVISIONED:
        values["deprovisioned_at"] = at
    values |= {"state": to, "updated_at": at}
    changed = await _move(" ".join(values)).all(tx, addon_id=addon.id, state_before=addon.state, **filled(values))
    if len(changed) != 1:
        raise SettledElsewhere


@cache
def _move(columns: str) -> Direct:
    moved = update(Addon).where(Addon.id == bindparam("addon_id"), Addon.state == bindparam("state_before"))
    return Direct(moved.values(placeholders(columns)).returning(Addon.id))


async def _failed_provision(
    tx: Tx, ctx: Context, s: Settlement, reason: str | None = None, orphan: bool | None = None
) -> None:
    said = reason or told(s.decision.row, s.addon.service_name, s.reply)
    await fail_provision(tx, s.addon, said, s.actor, s.at, **_known(s.reply))
    await finish(tx, s, OperationState.FAILED, said, error_id_of(s.reply))
    if s.decision.row.orphan or s.may_exist if orphan is None else orphan:
        why = f"provisioning failed: {s.reply.answer.value}"
        first_try = await quiet_from(tx, s.addon.id, s.at)
        await record_orphan(tx, s.addon, s.reply.provider_id, why, s.at, first_try=first_try)


async def fail_provision(tx: Tx, addon: LockedAddon, reason: str, actor: Actor, at: datetime, **known: Any) -> None:
    """There will be no resource: nothing was given, nothing is charged, the name is free again."""
    await transition(tx, addon, AddonState.DEPROVISIONED, at, reason=reason, **known)
    await leave_trial(tx, addon.id, at)
    await take_from_apps(tx, addon, addon.attachments, actor, at, release=False)
    await tx.execute(delete(AddonConfig).where(AddonConfig.addon_id == addon.id))
    await emit(tx, "addon.provision_failed", actor, at, app_id=addon.app_id, addon_id=addon.id, reason=reason)


async def _accepted(tx: Tx, ctx: Context, s: Settlement) -> None:
    if known := _known(s.reply):
        await tx.execute(update(Addon).where(Addon.id == s.addon.id).values(updated_at=s.at, **known))
    values = {
        "state": OperationState.WAITING,
        "step": OperationState.WAITING,
        "deadline_at": s.at + ACCEPTED_FOR,
        "may_exist": True,
        "lease_until": None,
        "next_at": None,
    }
    await update_operation(tx, s, values)


async def _plan_changed(tx: Tx, ctx: Context, s: Settlement) -> None:
    plan = (
        await tx.execute(
            select(
                Plan.id, Plan.slug, Plan.price_cents, Plan.currency, Plan.meters, Plan.suspended_cents, Plan.trial_days
            ).where(Plan.id == s.target_plan_id)
        )
    ).one()
    moved = replace(
        s.addon,
        plan_id=plan.id,
        plan=plan.slug,
        price_cents=plan.price_cents,
        currency=plan.currency,
        meters=tuple(plan.meters),
        suspended_cents=plan.suspended_cents,
        trial_days=plan.trial_days,
    )
    if s.addon.state is not AddonState.PROVISIONED:
        raise SettledElsewhere
    await tx.execute(
        update(Addon)
        .where(Addon.id == moved.id)
        .values(
            plan_id=plan.id, price_cents=plan.price_cents, currency=plan.currency, updated_at=s.at, **_known(s.reply)
        )
    )
    await _new_config(tx, moved, s)
    if s.addon.on_trial and not moved.trial_days:
        await leave_trial(tx, moved.id, s.at)
    await end_period(tx, moved.id, s.at)
    await start_period(tx, _subject(moved), s.at)
    await emit(
        tx, "addon.plan_changed", s.actor, s.at, app_id=moved.app_id, addon_id=moved.id,
        before=s.addon.plan_name, after=moved.plan_name,
    )  # fmt: skip
    await finish(tx, s, OperationState.SUCCEEDED)


async def _new_config(tx: Tx, addon: LockedAddon, s: Settlement) -> None:
    if await store_config(tx, addon, acceptable(addon, s.reply)):
        await record_new_config(tx, addon, await give_to_apps(tx, addon, "Update", s.actor, s.at), s.at)


async def _plan_change_failed(tx: Tx, ctx: Context, s: Settlement) -> None:
    """The plan stays. Should the provider have changed it all the same, it is brought back."""
    said = told(s.decision.row, s.addon.service_name, s.reply)
    await emit(tx, "addon.plan_change_failed", s.actor, s.at, app_id=s.addon.app_id, addon_id=s.addon.id, reason=said)
    await finish(tx, s, OperationState.FAILED, said, error_id_of(s.reply))
    if (s.may_exist or s.decision.row.orphan) and s.addon.state is AddonState.PROVISIONED:
        due = await quiet_from(tx, s.addon.id, s.at)
        kind, plan_id = OperationKind.PLAN_RESTORE, s.addon.plan_id
        await start_operation(tx, new_id(), s.addon.id, kind, SYSTEM, s.at, at=due, may_exist=True, plan_id=plan_id)


async def _plan_restored(tx: Tx, ctx: Context, s: Settlement) -> None:
    """The provider is where the bill is: nothing was cut, and what it gives for the plan holds."""
    await _new_config(tx, s.addon, s)
    await emit(
        tx, "addon.plan_restored", SYSTEM, s.at, app_id=s.addon.app_id, addon_id=s.addon.id, plan=s.addon.plan_name
    )
    await finish(tx, s, OperationState.SUCCEEDED)


async def _plan_restore_failed(tx: Tx, ctx: Context, s: Settlement) -> None:
    """Nobody knows which plan the provider has it on: for the operators, whose reconcile runs show it."""
    said = told(s.decision.row, s.addon.service_name, s.reply)
    await emit(tx, "addon.plan_unsure", SYSTEM, s.at, app_id=s.addon.app_id, addon_id=s.addon.id, reason=said)
    await finish(tx, s, OperationState.FAILED, said, error_id_of(s.reply))


async def _deprovisioned(tx: Tx, ctx: Context, s: Settlement) -> None:
    if s.may_exist and s.reply.status is None:
        # Nothing was sent: a v1 provider knows a resource by an id of its own, and that never arrived.
        await record_orphan(tx, s.addon, None, "destroyed before the provider had told its id", s.at)
    await complete_deprovision(tx, s.addon, s.actor, s.at)
    await finish(tx, s, OperationState.SUCCEEDED)


async def complete_deprovision(tx: Tx, addon: LockedAddon, actor: Actor, at: datetime) -> None:
    """The resource is gone, or is the orphan ledger's business from now on."""
    await transition(tx, addon, AddonState.DEPROVISIONED, at)
    await tx.execute(delete(AddonConfig).where(AddonConfig.addon_id == addon.id))
    await emit(tx, "addon.deprovisioned", actor, at, app_id=addon.app_id, addon_id=addon.id)


async def _deprovision_given_up(tx: Tx, ctx: Context, s: Settlement) -> None:
    said = told(s.decision.row, s.addon.service_name, s.reply)
    await record_orphan(tx, s.addon, s.addon.provider_id, f"deprovisioning failed: {s.reply.answer.value}", s.at)
    await complete_deprovision(tx, s.addon, s.actor, s.at)
    await finish(tx, s, OperationState.FAILED, said, error_id_of(s.reply))


async def _note_late_reply(tx: Tx, ctx: Context, work: Work, reply: Reply) -> None:
    """A call was answered after its operation had ended or been taken over: keep what the answer taught us."""
    addon = await lock_addon(tx, ctx, work.addon_id)
    if addon is None:
        return
    attempts = select(Operation.attempts).where(Operation.id == work.operation_id)
    newest = (await tx.execute(attempts)).scalar() == work.attempts
    if work.kind is OperationKind.PROVISION and reply.answer in (Answer.DONE, Answer.ACCEPTED):
        await _note_late_resource(tx, addon, reply, ctx.clock.now(), newest)
    if newest and reply.status is not None and work.kind is not OperationKind.DEPROVISION:
        await _note_answer(tx, work, reply, ctx.clock.now())
        if addon.state is AddonState.DEPROVISIONING:
            await _deprovision_soon(tx, work, ctx.clock.now())


async def _note_late_resource(tx: Tx, addon: LockedAddon, reply: Reply, at: datetime, newest: bool) -> None:
    """The resource is there. Its config counts unless a later attempt was made: that one's answer is the fresher."""
    known = {key: func.coalesce(getattr(Addon, key), value) for key, value in _known(reply).items()}
    if known:
        await tx.execute(update(Addon).where(Addon.id == addon.id).values(**known))
    if addon.state is AddonState.DEPROVISIONED:
        await record_orphan(tx, addon, reply.provider_id, "provisioned after it had been given up", at)
    current = newest and addon.state is AddonState.PROVISIONED
    if current and await store_config(tx, addon, acceptable(addon, reply)):
        await give_to_apps(tx, addon, "Update", SYSTEM, at)


async def _note_answer(tx: Tx, work: Work, reply: Reply, at: datetime) -> None:
    """Whoever removes the add-on later need not wait for this call: it is over."""
    entry = history_entry(at, "settle", reply.answer.value, status=reply.status, note="answered late")
    late = update(Operation).where(Operation.id == work.operation_id)
    await tx.execute(late.values(history=Operation.history.op("||")(literal(entry, JSONB))))


async def _deprovision_soon(tx: Tx, work: Work, at: datetime) -> None:
    """The call that the removal waited for is over; there may be older ones that are not."""
    due = await quiet_from(tx, work.addon_id, at) or at
    pulled = (
        update(Operation)
        .where(
            Operation.addon_id == work.addon_id,
            Operation.finished_at.is_(None),
            Operation.state == OperationState.PENDING,
        )
        .values(next_at=due)
        .returning(Operation.id)
    )
    for operation_id in (await tx.execute(pulled)).scalars():
        await defer(tx, "broker.advance", {"operation_id": str(operation_id)}, at=due)


_Effect = Callable[[Tx, Context, Settlement], Awaitable[None]]
_EFFECTS: Final[dict[tuple[OperationKind, Conclusion], _Effect]] = {
    (OperationKind.PROVISION, Conclusion.SUCCEED): _provisioned,
    (OperationKind.PROVISION, Conclusion.WAIT): _accepted,
    (OperationKind.PROVISION, Conclusion.RETRY): retry,
    (OperationKind.PROVISION, Conclusion.FAIL): _failed_provision,
    (OperationKind.PLAN_CHANGE, Conclusion.SUCCEED): _plan_changed,
    (OperationKind.PLAN_CHANGE, Conclusion.RETRY): retry,
    (OperationKind.PLAN_CHANGE, Conclusion.FAIL): _plan_change_failed,
    (OperationKind.PLAN_RESTORE, Conclusion.SUCCEED): _plan_restored,
    (OperationKind.PLAN_RESTORE, Conclusion.RETRY): retry,
    (OperationKind.PLAN_RESTORE, Conclusion.FAIL): _plan_restore_failed,
    (OperationKind.DEPROVISION, Conclusion.SUCCEED): _deprovisioned,
    (OperationKind.DEPROVISION, Conclusion.WAIT): _accepted,
    (OperationKind.DEPROVISION, Conclusion.RETRY): retry,
    (OperationKind.DEPROVISION, Conclusion.FAIL): _deprovision_given_up,
    (OperationKind.ROTATE, Conclusion.SUCCEED): rotated,
    (OperationKind.ROTATE, Conclusion.WAIT): rotation_accepted,
    (OperationKind.ROTATE, Conclusion.RETRY): retry,
    (OperationKind.ROTATE, Conclusion.FAIL): rotation_failed,
    (OperationKind.REFRESH, Conclusion.SUCCEED): refreshed,
    (OperationKind.REFRESH, Conclusion.RETRY): retry,
    (OperationKind.REFRESH, Conclusion.FAIL): refresh_failed,
}
