"""The end of a trial: notice of it, and what becomes of the add-on, which is paid for from then on or suspended.

Nobody is charged who has not agreed to it, has no means of payment, or has a budget that it would exceed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Row, select, update

from broker.addons.budget_check import check_new_costs
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import AddonState, Suspension
from broker.addons.permits import require_payer
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.settle import with_locks
from broker.addons.spending import costs_of
from broker.addons.suspension import resume_addons, suspend_addons
from broker.addons.term_models import Trial
from broker.addons.trial_views import TrialView, trial_views
from broker.addons.trials import leave_trial
from broker.billing.timeline import Mode
from broker.billing.usage import change_mode
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BrokerError, BudgetExceeded, NotFound, PaymentRequired
from broker.kernel.money import Money
from broker.notices.outbox import notify
from broker.payments.delinquency import require_paid_up
from broker.payments.standing import require_verified

NOTICE: Final = timedelta(days=3)
"""How long before the end notice of it is given."""
_ON_TIME: Final = timedelta(days=1)
"""Whoever looks later than this charges from the look on: that nobody looked is not the account's fault."""
_AT_ONCE: Final = 100
_NO_ROOM: Final = "With it, a budget of whoever pays for the app would be exceeded."
_OPEN: Final = (Trial.addon_id.is_not(None), Trial.outcome.is_(None), Trial.ends_at.is_not(None))
_log = structlog.get_logger()


async def look_at_trials(ctx: Context) -> int:
    """Give notice of trials that are about to end, and end those that are over; how many those were. Part of the sweep."""
    await _give_notice(ctx)
    now, looked_at, after = ctx.clock.now(), 0, None
    while found := await _ended(ctx, now, after):
        for addon_id in found:
            try:
                await end_trial(ctx, addon_id)
            except BrokerError as error:  # the others do not wait for this one
                _log.error("trial.not_ended", addon=str(addon_id), error=error.id)
        looked_at, after = looked_at + len(found), found[-1]
    return looked_at


async def _ended(ctx: Context, now: datetime, after: UUID | None) -> list[UUID]:
    """Some of the add-ons whose trial is over, by id: what can't be ended yet keeps no others back."""
    over = select(Trial.addon_id).where(*_OPEN, Trial.ends_at <= now).order_by(Trial.addon_id).limit(_AT_ONCE)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(over if after is None else over.where(Trial.addon_id > after))).scalars()
        return [addon_id for addon_id in rows if addon_id is not None]


async def end_trial(ctx: Context, addon_id: UUID) -> None:
    """Have an add-on whose trial is over paid for, or suspend it. Repeating it is harmless.

    Transactions: one to decide; suspending and resuming have theirs, and only when they are done is the end recorded.
    """
    decided = await with_locks(ctx, lambda tx: _decide(tx, ctx, addon_id))
    if decided is None or decided.done:
        return
    if decided.refusal is None:
        await resume_addons(ctx, [addon_id], Suspension.TRIAL)
    else:
        await suspend_addons(ctx, [addon_id], Suspension.TRIAL)
    await with_locks(ctx, lambda tx: _record(tx, ctx, addon_id, decided))


@dataclass(frozen=True, slots=True)
class _Decision:
    """Whether it can be paid for, and whether that is recorded already."""

    refusal: PaymentRequired | None
    accepted_at: datetime | None
    done: bool = False


async def _decide(tx: Tx, ctx: Context, addon_id: UUID) -> _Decision | None:
    addon, trial, now = await lock_addon(tx, ctx, addon_id), await _over(tx, ctx, addon_id), ctx.clock.now()
    if addon is None or trial is None:
        return None
    if addon.state is AddonState.PROVISIONING:
        return None  # what was left of it ended meanwhile: its turn comes when it is there
    if addon.state is not AddonState.PROVISIONED or addon.payer_id is None:
        await leave_trial(tx, addon_id, now)
        return None
    try:
        await _require_means(tx, ctx, addon, trial.accepted_at)
    except PaymentRequired as refusal:
        return _Decision(refusal, trial.accepted_at)
    if addon.suspended_for is not None:
        return _Decision(None, trial.accepted_at)
    await change_mode(tx, addon_id, Mode.PAID, trial.ends_at if now - trial.ends_at < _ON_TIME else now)
    decided = _Decision(None, trial.accepted_at, done=True)
    await _record(tx, ctx, addon_id, decided)
    return decided


async def _over(tx: Tx, ctx: Context, addon_id: UUID) -> Row[Any] | None:
    over = (*_OPEN, Trial.addon_id == addon_id, Trial.ends_at <= ctx.clock.now())
    return (await tx.execute(select(Trial.__table__).where(*over).with_for_update())).one_or_none()


async def _require_means(tx: Tx, ctx: Context, addon: LockedAddon, accepted_at: datetime | None) -> None:
    """Go on only if the account has agreed to pay, and may and can.

    Raises: PaymentRequired.
    """
    assert addon.payer_id is not None, "provisioned add-ons are billed to a live app"
    if accepted_at is None:
        raise PaymentRequired(f"Nobody has agreed to pay for {addon.name} after its trial.")
    await require_verified(tx, ctx, addon.payer_id)
    await require_paid_up(tx, addon.payer_id)
    costs = await costs_of(tx, [addon.id], addon.payer_id)
    paid = [replace(cost, subject=replace(cost.subject, mode=Mode.PAID)) for cost in costs]
    await check_new_costs(tx, SYSTEM, addon.payer_id, paid, ctx.clock.now())


async def _record(tx: Tx, ctx: Context, addon_id: UUID, decided: _Decision) -> None:
    addon, trial, now = await lock_addon(tx, ctx, addon_id), await _over(tx, ctx, addon_id), ctx.clock.now()
    if addon is None or trial is None or trial.accepted_at != decided.accepted_at:
        return  # it was agreed to, or taken back, at this very moment: it is decided anew
    ours = update(Trial).where(Trial.addon_id == addon_id)
    if decided.refusal is None:
        if addon.suspended_for == Suspension.TRIAL:
            return  # an environment has no room for what it gives: the next sweep tries again
        await tx.execute(ours.values(outcome="paid", addon_id=None, updated_at=now))
        await emit(tx, "trial.paid", SYSTEM, now, app_id=addon.app_id, addon_id=addon_id)
        return
    await tx.execute(ours.values(outcome="suspended", updated_at=now))
    reason = decided.refusal.message
    # How much is in a budget is for whoever pays, not for everybody who works on the app.
    seen = _NO_ROOM if isinstance(decided.refusal, BudgetExceeded) else reason
    await emit(tx, "trial.suspended", SYSTEM, now, app_id=addon.app_id, addon_id=addon_id, reason=seen)
    facts = {"addon": addon.name, "plan": addon.plan_name, "reason": reason}
    await notify(
        tx, trial.account_id, "trial.suspended", facts, now, key=f"trial.suspended:{addon_id}:{now.isoformat()}"
    )


async def _give_notice(ctx: Context) -> None:
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        soon = (*_OPEN, Trial.told_at.is_(None), Trial.ends_at <= now + NOTICE)
        chosen = select(Trial.addon_id).where(*soon).limit(_AT_ONCE).with_for_update(skip_locked=True)
        ids = list((await tx.execute(chosen)).scalars())
        for view in await trial_views(tx, Trial.addon_id.in_(ids)) if ids else []:
            facts = _facts(view)
            await emit(
                tx, "trial.ends", SYSTEM, now, app_id=view.app_id, addon_id=view.addon_id,
                ends_at=facts["ends_at"], accepted=facts["accepted"],
            )  # fmt: skip
            await notify(
                tx, view.account_id, "trial.ends", facts, now, key=f"trial.ends:{view.account_id}:{view.addon_id}"
            )
        await tx.execute(update(Trial).where(Trial.addon_id.in_(ids)).values(told_at=now))


def _facts(view: TrialView) -> dict[str, Any]:
    assert view.ends_at is not None, "it has begun"
    price = Money(view.price_cents or 0, view.currency or "usd")
    return {
        "addon": view.addon_name,
        "app": view.app_name,
        "plan": view.plan,
        "ends_at": rfc3339(view.ends_at),
        "price": f"{price} per month",
        "accepted": view.accepted_at is not None,
    }


async def accept_trial_end(ctx: Context, actor: Actor, key: AddonKey) -> TrialView:
    """Agree to pay for an add-on when its trial is over. If it is over already, it is paid for from now on.

    Transactions: one, and those of `end_trial`.
    Raises: NotFound; Forbidden for all but the owner of the app; PaymentRequired if it is over and can't be paid for.
    """
    actor.require(Scope.WRITE_PROTECTED)
    now = ctx.clock.now()

    async def agree(tx: Tx) -> Any:
        addon, trial = await _locked(tx, ctx, actor, key, "agree to pay")
        if trial.outcome is not None:
            await _require_means(tx, ctx, addon, now)
        agreed = update(Trial).where(Trial.addon_id == addon.id)
        await tx.execute(agreed.values(accepted_at=now, outcome=None, updated_at=now))
        await emit(tx, "trial.end_accepted", actor, now, app_id=addon.app_id, addon_id=addon.id)
        return trial

    trial = await with_locks(ctx, agree)
    await end_trial(ctx, trial.addon_id)
    return await _view_of(ctx, trial)


async def refuse_trial_end(ctx: Context, actor: Actor, key: AddonKey) -> TrialView:
    """Take back that the end of a trial was agreed to: the add-on is suspended then.

    Transactions: one. Raises: NotFound; Forbidden for all but the owner of the app.
    """
    actor.require(Scope.WRITE_PROTECTED)
    now = ctx.clock.now()

    async def take_back(tx: Tx) -> Any:
        addon, trial = await _locked(tx, ctx, actor, key, "say what follows a trial")
        refused = update(Trial).where(Trial.addon_id == addon.id)
        await tx.execute(refused.values(accepted_at=None, updated_at=now))
        await emit(tx, "trial.end_refused", actor, now, app_id=addon.app_id, addon_id=addon.id)
        return trial

    return await _view_of(ctx, await with_locks(ctx, take_back))


async def _locked(tx: Tx, ctx: Context, actor: Actor, key: AddonKey, what: str) -> tuple[LockedAddon, Any]:
    addon = await lock_visible_addon(tx, ctx, actor, key)
    await require_payer(tx, actor, addon.app_id, what)
    trial = (await tx.execute(select(Trial.__table__).where(Trial.addon_id == addon.id))).one_or_none()
    if trial is None:
        raise NotFound("trial", f"{addon.name} is not on trial.")
    return addon, trial


async def _view_of(ctx: Context, trial: Any) -> TrialView:
    async with ctx.database.transaction() as tx:
        same = (Trial.account_id == trial.account_id) & (Trial.service_id == trial.service_id)
        (view,) = await trial_views(tx, same)
        return view
