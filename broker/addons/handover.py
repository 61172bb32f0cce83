"""Having another account pay for add-ons from an instant on: what it must be able to bear first, and the cut in the bill.

Whatever an add-on does at its provider goes on. What is being provisioned begins on the bill of whoever pays when it is there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from broker.addons.budget_check import check_new_costs
from broker.addons.models import Addon, AddonState
from broker.addons.spending import Cost, costs_of
from broker.addons.suspended import require_usable
from broker.addons.trials import move_trials, use_up_trial
from broker.apps.payers import PayerView, accept_payer, end_payer
from broker.apps.releases import LockedApp
from broker.apps.transfers import TransferView, accept_app
from broker.billing.timeline import Mode
from broker.billing.usage import change_mode, hand_over
from broker.catalog.manifest_meters import is_priced
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.payments.delinquency import require_paid_up
from broker.payments.standing import require_currency, require_verified


async def accept_app_transfer(ctx: Context, actor: Actor, key: str) -> TransferView:
    """Take an app that was offered, with its add-ons and what they cost from now on.

    Transactions: one. Raises: NotFound, Forbidden, Conflict; PaymentRequired if the actor can't bear what it costs.
    """

    async def move(tx: Tx, app: LockedApp, to: UUID) -> None:
        await move_bill(tx, ctx, actor, app, to)

    return await again_on_deadlock(lambda: accept_app(ctx, actor, key, move))


async def agree_to_pay(ctx: Context, actor: Actor, key: str) -> PayerView:
    """Pay for an app of somebody else's from now on.

    Transactions: one. Raises: NotFound, Forbidden, Conflict; PaymentRequired if the actor can't bear what it costs.
    """

    async def move(tx: Tx, app: LockedApp, to: UUID) -> None:
        await move_bill(tx, ctx, actor, app, to)

    return await again_on_deadlock(lambda: accept_payer(ctx, actor, key, move))


async def stop_paying(ctx: Context, actor: Actor, key: str) -> PayerView:
    """End it that somebody pays for an app: its owner does from now on, who needs not be asked.

    Transactions: one. Raises: NotFound, Forbidden, Conflict.
    """

    async def move(tx: Tx, app: LockedApp, to: UUID) -> None:
        at, addon_ids = ctx.clock.now(), await _billed_to(tx, app.id)
        over = await move_trials(tx, addon_ids, to, at)
        await hand_over(tx, addon_ids, at, payer_id=to)
        for addon_id, service_id in over:
            # The owner has not agreed to pay, and is asked now; a second add-on beside one on trial always was paid for.
            if not await use_up_trial(tx, addon_id, to, service_id, at):
                await change_mode(tx, addon_id, Mode.PAID, at)

    return await again_on_deadlock(lambda: end_payer(ctx, actor, key, move))


async def has_costs(tx: Tx, app_id: UUID, to: UUID) -> bool:
    """Whether an account that pays for all that is billed to an app would have to pay anything: at once, which a trial does not
    keep off whoever has had one, or when the trial is over.
    """
    costs = await costs_of(tx, await _billed_to(tx, app_id), to)
    return any(_has_price(cost) and cost.subject.mode is not Mode.SANDBOX for cost in costs)


async def move_bill(tx: Tx, ctx: Context, actor: Actor, app: LockedApp, to: UUID) -> None:
    """Have an account pay for all add-ons of a locked app, if it can bear them.

    Raises: PaymentRequired, Conflict.
    """
    await move_costs(tx, ctx, actor, await _billed_to(tx, app.id), to)


async def move_costs(
    tx: Tx,
    ctx: Context,
    actor: Actor,
    addon_ids: Collection[UUID],
    to: UUID,
    *,
    app_id: UUID | None = None,
    to_other: bool = True,
) -> None:
    """Have an account pay for add-ons whose billing apps are locked, on another app of its own if one is given. Unless it
    has paid for them before (`to_other`), it must have a payment method and owe nothing; its budgets must have room.

    Raises: PaymentRequired, Conflict.
    """
    if to_other:
        await require_movable(tx, addon_ids)
    at = ctx.clock.now()
    over = {addon_id for addon_id, _ in await move_trials(tx, addon_ids, to, at)}
    costs = [_placed(cost, over, app_id) for cost in await costs_of(tx, addon_ids, to)]
    if to_other and any(map(_is_paid, costs)):
        await require_verified(tx, ctx, to)
        await require_paid_up(tx, to)
    if to_other:
        await require_currency(tx, to, *(cost.subject.currency for cost in costs if _has_price(cost)))
    await check_new_costs(tx, actor, to, [cost for cost in costs if _is_paid(cost)], at)
    await hand_over(tx, addon_ids, at, payer_id=to, **({} if app_id is None else {"app_id": app_id}))
    for addon_id in over:
        await change_mode(tx, addon_id, Mode.PAID, at)


def _placed(cost: Cost, over: Collection[UUID], app_id: UUID | None) -> Cost:
    """As it is going to be: paid for, where the account has had its trial, and on the other app."""
    if cost.subject.addon_id in over:
        cost = replace(cost, subject=replace(cost.subject, mode=Mode.PAID))
    if app_id is None:
        return cost
    return Cost(replace(cost.subject, app_id=app_id), replace(cost.place, app_id=app_id))


async def _billed_to(tx: Tx, app_id: UUID) -> list[UUID]:
    there = select(Addon.id).where(Addon.app_id == app_id, Addon.state != AddonState.DEPROVISIONED)
    return list((await tx.execute(there.order_by(Addon.id))).scalars())


async def require_movable(tx: Tx, addon_ids: Collection[UUID]) -> None:
    """Go on only with add-ons that are not suspended: what is owed for them is owed by whoever had them.

    Raises: PaymentRequired, Conflict.
    """
    halted = select(Addon.name, Addon.suspended_for).where(Addon.id.in_(addon_ids), Addon.suspended_for.is_not(None))
    for name, suspended_for in await tx.execute(halted.order_by(Addon.name).limit(1)):
        require_usable(name, suspended_for, "it can be given to somebody else")


def _is_paid(cost: Cost) -> bool:
    return cost.subject.mode is Mode.PAID and _has_price(cost)


def _has_price(cost: Cost) -> bool:
    meters = cost.subject.terms.get("meters", ())
    return bool(cost.subject.price_cents or any(map(is_priced, meters)))
