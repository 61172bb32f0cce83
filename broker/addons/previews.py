"""What a change would do: it is done in a transaction, looked at, and undone. So a preview can't differ from the deed.

No provider is asked, so what only a provider knows (the values of new config vars) is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from asyncpg import UniqueViolationError
from sqlalchemy.exc import IntegrityError

from broker.addons.attach import AttachAddon, record_attachment
from broker.addons.change_plan import full_name, mode_on, record_plan_change
from broker.addons.create import CreateAddon, attachment_name_for, record_creation
from broker.addons.destroy import record_removal
from broker.addons.detach import record_detachment
from broker.addons.environments import Environments, changes_since, environments_of
from broker.addons.locks import LockedAddon
from broker.addons.preview_views import Action, AppPreview, CostPreview, Obstacle, PreviewView
from broker.addons.queries import given_vars
from broker.addons.resolve import AddonKey, lock_visible_addon, visible_attachment
from broker.addons.settle import until_locked
from broker.addons.spending import Spending, planned, spending_of
from broker.addons.transfer import record_move
from broker.addons.trials import has_trial
from broker.apps.releases import LockedApp, lock_app
from broker.apps.resolve import AppView, visible_app
from broker.billing.budgets import Place
from broker.billing.history import DEFAULT_CURRENCY
from broker.billing.timeline import Mode
from broker.billing.usage import Subject
from broker.catalog.queries import resolve_offer, resolve_plan
from broker.catalog.views import PlanView
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import (
    BrokerError,
    ConfirmationRequired,
    Conflict,
    InvalidParams,
    NameTaken,
    NotFound,
    Paused,
    PaymentRequired,
)
from broker.kernel.ids import new_id

T = TypeVar("T")
_OBSTACLES = (PaymentRequired, ConfirmationRequired, Conflict, InvalidParams, Paused)
"""Refusals that a preview tells of. Others, such as that there is no such app, are refusals of the preview, too."""


class _Undone(Exception):
    """Nothing of the transaction is kept."""


async def _undone(ctx: Context, actor: Actor, deed: Callable[[Tx], Awaitable[T]]) -> T:
    """What the deed gives, without what it does."""
    actor.require(Scope.WRITE_PROTECTED)
    given: list[T] = []

    async def once() -> None:
        async with ctx.database.transaction() as tx:
            given[:] = [await deed(tx)]
            raise _Undone

    try:
        await until_locked(once)
    except _Undone:
        return given[0]
    raise AssertionError("a preview was kept")


async def _tried(deed: Awaitable[object]) -> Obstacle | None:
    """What is in the way of the deed. Whatever refuses does so before it writes; after a clash nothing can be read any more."""
    try:
        await deed
    except _OBSTACLES as refusal:
        return Obstacle(refusal.id, refusal.message)
    except (UniqueViolationError, IntegrityError) as clash:
        named = "uq_addons_name" in str(clash)
        met: BrokerError = NameTaken() if named else Conflict("Another change of this is under way; wait for it.")
        return Obstacle(met.id, met.message)
    return None


async def preview_creation(ctx: Context, actor: Actor, request: CreateAddon) -> PreviewView:
    """What adding it would do.

    Raises: NotFound, Forbidden; InvalidParams for a plan that there is not.
    """

    async def deed(tx: Tx) -> PreviewView:
        app, plan = await visible_app(tx, actor, request.app), (await resolve_offer(tx, actor, request.plan)).plan
        attachment = await _new_attachment(tx, app, plan, request)
        names = set(given_vars(plan.service, attachment))
        present = await _environments(tx, ctx, [app])
        subject = planned(new_id(), app.id, app.payer_id, plan)
        before = await _spending(tx, ctx, actor, app.payer_id)
        obstacle = await _tried(record_creation(tx, ctx, actor, request, subject.addon_id, new_id()))
        if obstacle is None and plan.trial_days and await has_trial(tx, subject.addon_id):
            subject = replace(subject, mode=Mode.TRIAL)
        place = Place(app.id, plan.service.id, actor.authorization_id)
        there = present[app.id].values.keys() & names
        return PreviewView(
            Action.CREATE,
            addon=request.name,
            plan=plan.name,
            cost=_cost(before, lambda had: had.having(subject, place), subject, plan),
            apps=(
                AppPreview(app.name, app.version + 1, added=sorted(names - there), changed=sorted(there), removed=[]),
            ),
            obstacles=_found(obstacle),
            attachment=attachment,
        )

    return await _undone(ctx, actor, deed)


async def _new_attachment(tx: Tx, app: AppView, plan: PlanView, request: CreateAddon) -> str:
    """The name of its attachment: the one that was asked for, if it is confirmed."""
    confirmed = CreateAddon(request.app, request.plan, attachment_name=request.attachment_name, confirm=app.name)
    name, wanted = await attachment_name_for(tx, app, plan, confirmed)
    return wanted or name


async def preview_plan_change(ctx: Context, actor: Actor, key: AddonKey, plan: str) -> PreviewView:
    """What another plan would do.

    Raises: NotFound, Forbidden; InvalidParams for a plan that there is not.
    """

    async def deed(tx: Tx) -> PreviewView:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        target = await resolve_plan(tx, actor, full_name(plan, addon.service))
        before = await _spending(tx, ctx, actor, _payer(addon))
        environments = await environments_of(tx, addon.apps.values())
        obstacle = await _tried(record_plan_change(tx, ctx, actor, key, plan, new_id()))
        subject = planned(addon.id, addon.app_id, _payer(addon), target, mode_on(addon, target))
        place = Place(addon.app_id, addon.service_id, actor.authorization_id)
        return PreviewView(
            Action.CHANGE_PLAN,
            addon=addon.name,
            plan=target.name,
            cost=_cost(before, lambda had: had.having(subject, place), subject, target, addon),
            apps=_may_change(addon, environments),
            obstacles=_found(obstacle),
        )

    return await _undone(ctx, actor, deed)


def _may_change(addon: LockedAddon, environments: Environments) -> tuple[AppPreview, ...]:
    """A provider may give other values with another plan: then, and only then, the apps are released."""
    ids = {attachment.id for attachment in addon.attachments}
    found = []
    for environment in environments.values():
        given = sorted(name for name, var in environment.values.items() if var.attachment_id in ids)
        if given:
            found.append(AppPreview(environment.app_name, None, [], [], [], may_change=given))
    return tuple(found)


async def preview_removal(ctx: Context, actor: Actor, key: AddonKey, *, force: bool = False) -> PreviewView:
    """What destroying it would do; with everything that it would do by force.

    Raises: NotFound, Forbidden.
    """

    async def deed(tx: Tx) -> PreviewView:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        before = await _spending(tx, ctx, actor, _payer(addon))
        environments = await environments_of(tx, addon.apps.values())
        obstacle = await _tried(record_removal(tx, ctx, actor, key, new_id(), force))
        if obstacle is not None and not force:
            await _tried(record_removal(tx, ctx, actor, key, new_id(), True))
        cost = _cost(before, lambda had: had.losing(addon.id), None, None, addon)
        return await _came_of(tx, ctx, Action.DESTROY, addon, environments, obstacle, cost)

    return await _undone(ctx, actor, deed)


async def preview_attachment(ctx: Context, actor: Actor, request: AttachAddon) -> PreviewView:
    """What attaching it would do; with everything that it would do if it were confirmed.

    Raises: NotFound, Forbidden.
    """

    async def deed(tx: Tx) -> PreviewView:
        app = await visible_app(tx, actor, request.app)
        addon = await lock_visible_addon(tx, ctx, actor, request.addon, app.id, seeing_suffices=True)
        environments = await environments_of(tx, addon.apps.values())
        obstacle = await _tried(record_attachment(tx, ctx, actor, request, new_id()))
        if obstacle is not None and obstacle.id == ConfirmationRequired.id:
            confirmed = AttachAddon(request.addon, request.app, request.name, app.name, request.namespace)
            await _tried(record_attachment(tx, ctx, actor, confirmed, new_id()))
        return await _came_of(tx, ctx, Action.ATTACH, addon, environments, obstacle)

    return await _undone(ctx, actor, deed)


async def preview_detachment(ctx: Context, actor: Actor, key: str) -> PreviewView:
    """What detaching would do.

    Raises: NotFound, Forbidden.
    """

    async def deed(tx: Tx) -> PreviewView:
        found = await visible_attachment(tx, actor, key)
        addon_key = AddonKey(str(found.addon_id))
        addon = await lock_visible_addon(tx, ctx, actor, addon_key, seeing_suffices=True)
        environments = await environments_of(tx, addon.apps.values())
        await record_detachment(tx, ctx, actor, key)
        return await _came_of(tx, ctx, Action.DETACH, addon, environments, None)

    return await _undone(ctx, actor, deed)


async def preview_move(ctx: Context, actor: Actor, key: AddonKey, to_app: str) -> PreviewView:
    """What billing it to another app of the same owner would do.

    Raises: NotFound, Forbidden.
    """

    async def deed(tx: Tx) -> PreviewView:
        target = await visible_app(tx, actor, to_app)
        addon = await lock_visible_addon(tx, ctx, actor, key, target.id)
        environments = await environments_of(tx, addon.apps.values())
        obstacle = await _tried(record_move(tx, ctx, actor, key, to_app))
        return await _came_of(tx, ctx, Action.MOVE, addon, environments, obstacle)

    return await _undone(ctx, actor, deed)


async def _came_of(
    tx: Tx, ctx: Context, action: Action, addon: LockedAddon, before: Environments, obstacle: Obstacle | None,
    cost: CostPreview | None = None,
) -> PreviewView:  # fmt: skip
    """What the deed made of an add-on and of the apps that it is attached to."""
    return PreviewView(
        action,
        addon=addon.name,
        plan=addon.plan_name,
        cost=cost,
        apps=await changes_since(tx, ctx, before),
        obstacles=_found(obstacle),
    )


async def _environments(tx: Tx, ctx: Context, apps: Iterable[AppView]) -> Environments:
    locked: list[LockedApp] = []
    for app in apps:
        one = await lock_app(tx, ctx.vault, app.id)
        if one is None:
            raise NotFound("app")
        locked.append(one)
    return await environments_of(tx, locked)


async def _spending(tx: Tx, ctx: Context, actor: Actor, payer_id: UUID) -> Spending | None:
    """What the payer is going to spend; nothing for others, who see no money that is not theirs."""
    return await spending_of(tx, payer_id, ctx.clock.now()) if actor.id == payer_id else None


def _payer(addon: LockedAddon) -> UUID:
    if addon.payer_id is None:
        raise NotFound("app")
    return addon.payer_id


def _cost(
    before: Spending | None,
    changed: Callable[[Spending], Spending],
    subject: Subject | None,
    plan: PlanView | None,
    addon: LockedAddon | None = None,
) -> CostPreview | None:
    """What lies between the two, in the currency of the plan, or of the add-on that goes."""
    if before is None:
        return None
    currency = subject.currency if subject is not None else addon.currency if addon is not None else DEFAULT_CURRENCY
    return CostPreview(
        currency=currency,
        monthly_before_minor=addon.price_cents if addon is not None and addon.currency == currency else 0,
        monthly_after_minor=0 if subject is None else subject.price_cents,
        month=str(before.history.month),
        month_delta_minor=changed(before).whole(currency) - before.whole(currency),
        metered=plan is not None and plan.metered,
    )


def _found(obstacle: Obstacle | None) -> tuple[Obstacle, ...]:
    return () if obstacle is None else (obstacle,)
