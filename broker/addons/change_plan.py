"""`addons:upgrade` and `addons:downgrade`: record the intent to move an add-on to another plan of its service."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from broker.addons.budget_check import check_budgets
from broker.addons.budget_requests import Wish, ask_for
from broker.addons.intents import overtake_restore, quiet_from, start_operation
from broker.addons.locks import LockedAddon
from broker.addons.models import AddonState, OperationKind
from broker.addons.permits import require_payer
from broker.addons.queries import AddonView, current_addon
from broker.addons.resolve import AddonKey, lock_visible_addon, read_addon
from broker.addons.schedules import cancel_scheduled
from broker.addons.settle import with_locks
from broker.addons.spending import planned
from broker.addons.suspended import require_usable
from broker.addons.wait import NO_WAIT, raise_failure, waiting
from broker.billing.budgets import Place
from broker.billing.timeline import Mode
from broker.catalog.queries import resolve_plan
from broker.catalog.views import PlanView
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BudgetExceeded, Conflict, InvalidParams
from broker.kernel.ids import as_uuid, new_id
from broker.payments.delinquency import require_paid_up
from broker.payments.standing import require_currency, require_verified


async def change_plan(
    ctx: Context, actor: Actor, key: AddonKey, plan: str, *, wait: timedelta = NO_WAIT, ask: bool = False
) -> AddonView:
    """Ask the provider for another plan. The same plan as now changes nothing. With `ask`, approval of what a budget does
    not allow is asked for.

    Transactions: one for the intent, committed before any wait. Until the provider agrees, plan and price stay.
    Raises: NotFound, InvalidParams, Conflict, BudgetExceeded, Unverified; ProviderRefused or ProviderUnavailable if that is known
        within `wait`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    operation_id = new_id()
    async with waiting(ctx, operation_id, wait) as outcome:
        try:
            addon_id, started = await with_locks(
                ctx, lambda tx: record_plan_change(tx, ctx, actor, key, plan, operation_id)
            )
        except BudgetExceeded as refusal:
            if not ask:
                raise
            raise await _asked(ctx, actor, key, plan, refusal) from None
        except IntegrityError as error:
            if "uq_operations_unfinished" not in str(error.orig):
                raise
            raise Conflict("Another change of this add-on is under way; wait for it with `addons:wait`.") from None
        if started:
            await outcome()
    if started:
        await raise_failure(ctx.database, operation_id)
    return await current_addon(ctx.database, addon_id)


async def record_plan_change(
    tx: Tx, ctx: Context, actor: Actor, key: AddonKey, plan: str, operation_id: UUID
) -> tuple[UUID, bool]:
    """Write the intent, in the caller's transaction; the add-on, and whether there is anything to do."""
    addon = await lock_visible_addon(tx, ctx, actor, key)
    target = await check_plan_change(tx, ctx, actor, addon, plan)
    if target.id == addon.plan_id:
        return addon.id, False
    await check_cost(tx, ctx, actor, addon, target)
    await cancel_scheduled(tx, addon.id)
    await begin_plan_change(tx, ctx, actor, addon, target, operation_id)
    return addon.id, True


async def check_plan_change(tx: Tx, ctx: Context, actor: Actor, addon: LockedAddon, plan: str) -> PlanView:
    """The plan that is meant, if a locked add-on can be moved to it by this actor.

    Raises: NotFound, InvalidParams, Conflict, Forbidden, PaymentRequired.
    """
    target = await resolve_plan(tx, actor, full_name(plan, addon.service))
    if target.service.id != addon.service_id:
        raise InvalidParams(f"{addon.name} is of {addon.service}: choose one of its plans, not {target.name}.")
    if addon.state is not AddonState.PROVISIONED:
        raise Conflict(f"{addon.name} is {addon.state}; its plan can be changed once it is provisioned.")
    if target.id == addon.plan_id:
        return target
    require_usable(addon.name, addon.suspended_for, "its plan can be changed")
    if not (target.is_free and addon.is_free):
        await require_payer(tx, actor, addon.app_id, "change paid plans")
    if not target.is_free and target.currency != addon.currency:
        await require_currency(tx, addon.payer_id or actor.id, target.currency)
    if not target.is_free and mode_on(addon, target) is Mode.PAID:
        await require_verified(tx, ctx, addon.payer_id or actor.id)
    return target


async def check_cost(tx: Tx, ctx: Context, actor: Actor, addon: LockedAddon, target: PlanView) -> None:
    """Go on only if whoever pays has paid before, and has budgets that allow it.

    Raises: PaymentRequired.
    """
    if target.is_free:
        return
    payer_id = addon.payer_id or actor.id
    if addon.is_free or target.price_cents > addon.price_cents:
        await require_paid_up(tx, payer_id)
    wanted = planned(addon.id, addon.app_id, payer_id, target, mode_on(addon, target))
    place = Place(addon.app_id, addon.service_id, actor.authorization_id)
    await check_budgets(tx, actor, wanted, place, ctx.clock.now(), changing=True)


def mode_on(addon: LockedAddon, target: PlanView) -> Mode:
    """A trial goes on with a plan that has one, too."""
    return Mode.TRIAL if addon.on_trial and target.trial_days else Mode.PAID


async def begin_plan_change(
    tx: Tx, ctx: Context, actor: Actor, addon: LockedAddon, target: PlanView, operation_id: UUID
) -> None:
    """Start the operation that asks the provider."""
    now = ctx.clock.now()
    unsure = await overtake_restore(tx, addon.id, now)
    due = await quiet_from(tx, addon.id, now) if unsure else None
    kind = OperationKind.PLAN_CHANGE
    await start_operation(tx, operation_id, addon.id, kind, actor, now, at=due, may_exist=unsure, plan_id=target.id)


def full_name(plan: str, service: str) -> str:
    """`service:plan`, or an id, from what was given for a plan of a service."""
    return plan if ":" in plan or as_uuid(plan) else f"{service}:{plan}"


async def _asked(ctx: Context, actor: Actor, key: AddonKey, plan: str, refusal: BudgetExceeded) -> BudgetExceeded:
    addon = await read_addon(ctx, actor, key)
    wish = Wish(addon.app_name, full_name(plan, addon.service.slug), addon.id)
    return await ask_for(ctx, actor, wish, refusal)
