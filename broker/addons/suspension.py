"""Suspending and resuming add-ons: their config vars are withdrawn and given back, their time is counted on other terms.

An account is brought to where it ought to be, in one transaction for all add-ons that meet on some app: whoever is killed
in between is followed by the sweep. What is under way at a provider goes on; what comes of it is kept and not given out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import select, union_all, update

from broker.addons.config import given_by, plan_names, stored_config, taken_by
from broker.addons.credentials import config_of_credential
from broker.addons.locks import LockedAddon, LockedAttachment, lock_addon
from broker.addons.models import Addon, AddonState, Attachment, Suspension
from broker.addons.settle import with_locks
from broker.addons.suspended import note_resumed, note_suspended
from broker.apps.releases import ConfigChange, cut_release
from broker.billing.models import BillingAccount
from broker.billing.timeline import Mode
from broker.billing.usage import change_mode
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams
from broker.kernel.secret import Secret

_log = structlog.get_logger()

Act = Callable[[Tx, Sequence[LockedAddon]], Awaitable[int]]
"""What is done to add-ons that meet on some app, locked with all their apps; to how many of them there was anything to do."""


async def suspend_addons(
    ctx: Context,
    addon_ids: Collection[UUID],
    why: Suspension,
    actor: Actor = SYSTEM,
    *,
    account_id: UUID | None = None,
    reason: str | None = None,
) -> int:
    """Suspend those of the add-ons that are in use; how many those were. Repeating it is harmless. The `reason` is for users.

    For want of payment, only while the account is suspended, and nothing that is free.
    Transactions: one for all that meet on some app.
    """

    async def act(tx: Tx, addons: Sequence[LockedAddon]) -> int:
        if why is Suspension.UNPAID:
            if not await _is_suspended(tx, account_id):
                return 0
            addons = [addon for addon in addons if addon.payer_id == account_id]  # somebody else may pay for it by now
        return await _suspend(tx, addons, why, actor, ctx.clock.now(), reason)

    return await in_groups(ctx, addon_ids, act)


async def resume_addons(
    ctx: Context, addon_ids: Collection[UUID], why: Suspension, actor: Actor = SYSTEM, *, account_id: UUID | None = None
) -> int:
    """End the suspension of those that are suspended for this: with what their providers gave meanwhile. How many those were.

    For want of payment, only when the account is suspended no more, or what is free by now.
    Transactions: one for all that meet on some app. If an environment has no room left, those stay suspended, with the reason.
    """

    async def act(tx: Tx, addons: Sequence[LockedAddon]) -> int:
        unpaid = why is Suspension.UNPAID and await _is_suspended(tx, account_id)
        back = [addon for addon in addons if addon.suspended_for == why and (addon.is_free or not unpaid)]
        return await _resume(tx, back, actor, ctx.clock.now())

    return await in_groups(ctx, addon_ids, act)


async def _say_why(ctx: Context, full: _NoRoom) -> None:
    async with ctx.database.transaction() as tx:
        held = update(Addon).where(Addon.id.in_(full.addon_ids), Addon.suspended_at.is_not(None))
        await tx.execute(held.values(reason=f"It can't be resumed yet: {full.reason}"))
    _log.warning("addons.not_resumed", addons=[str(each) for each in full.addon_ids])


class _NoRoom(Exception):
    """The environment of an app has grown too large for what is to be given back."""

    def __init__(self, addon_ids: Collection[UUID], reason: str) -> None:
        super().__init__(reason)
        self.addon_ids, self.reason = addon_ids, reason


async def in_groups(ctx: Context, addon_ids: Collection[UUID], act: Act) -> int:
    """Do it to these add-ons, a group in each transaction; to how many of them there was anything to do.

    A group whose environment has no room left is left as it was: the others do not wait for it.
    """
    async with ctx.database.transaction() as tx:
        touched = await _apps_of(tx, addon_ids)
    done = 0
    for group in groups(touched):
        try:
            done += await with_locks(ctx, partial(_locked_act, ctx, group, act))
        except _NoRoom as full:
            await _say_why(ctx, full)
    return done


@dataclass(frozen=True, slots=True)
class Group:
    """Add-ons that meet on some app, directly or through others, and those apps."""

    addons: tuple[UUID, ...]
    apps: tuple[UUID, ...]


def groups(apps: Mapping[UUID, Iterable[UUID]]) -> list[Group]:
    """The add-ons, with the apps of each, parted so that no app is in two parts."""
    parts: list[tuple[set[UUID], set[UUID]]] = []
    for addon_id, its_apps in apps.items():
        addons, met = {addon_id}, set(its_apps)
        apart = []
        for part in parts:
            if part[1].isdisjoint(met):
                apart.append(part)
            else:
                addons |= part[0]
                met |= part[1]
        parts = [*apart, (addons, met)]
    return [Group(tuple(sorted(addons)), tuple(sorted(met))) for addons, met in parts]


async def _apps_of(tx: Tx, addon_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    billed = select(Addon.id, Addon.app_id).where(Addon.id.in_(addon_ids))
    attached = select(Attachment.addon_id, Attachment.app_id).where(Attachment.addon_id.in_(addon_ids))
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for addon_id, app_id in await tx.execute(union_all(billed, attached)):
        found[addon_id].add(app_id)
    return found


async def _locked_act(ctx: Context, group: Group, act: Act, tx: Tx) -> int:
    locked = [await lock_addon(tx, ctx, addon_id, *group.apps) for addon_id in group.addons]
    return await act(tx, [addon for addon in locked if addon is not None])


async def _is_suspended(tx: Tx, account_id: UUID | None) -> bool:
    """Whether the account is suspended, which nobody changes until the transaction ends."""
    row = select(BillingAccount.suspended_at).where(BillingAccount.id == account_id).with_for_update(read=True)
    return (await tx.execute(row)).scalar() is not None


async def _suspend(
    tx: Tx, addons: Sequence[LockedAddon], why: Suspension, actor: Actor, at: datetime, reason: str | None
) -> int:
    in_use = [addon for addon in addons if addon.state is AddonState.PROVISIONED and addon.suspended_for != why]
    if why is Suspension.UNPAID:
        in_use = [addon for addon in in_use if addon.suspended_for is None and not addon.is_free]
    if (
        why is Suspension.UNBILLED
    ):  # what waits for somebody to agree to pay is not billed, and must not come back without
        in_use = [addon for addon in in_use if addon.suspended_for != Suspension.TRIAL]
    for addon in in_use:
        halted = {"suspended_at": addon.suspended_at or at, "suspended_for": why, "reason": reason, "updated_at": at}
        await tx.execute(update(Addon).where(Addon.id == addon.id).values(halted))
        await change_mode(tx, addon.id, replace(addon, suspended_for=why).mode, at)
        await note_suspended(tx, addon, why, actor, at)
    pieces = _Pieces()
    for addon in in_use:
        for attachment in _given(addon) if addon.suspended_at is None else ():
            pieces.add(addon, attachment, attachment.name, [taken_by(addon, attachment)])
    await pieces.release(tx, f"Suspend {{}} ({why})", actor, at)
    return len(in_use)


async def _resume(tx: Tx, addons: Sequence[LockedAddon], actor: Actor, at: datetime) -> int:
    back = [addon for addon in addons if addon.state is AddonState.PROVISIONED]
    pieces = _Pieces()
    for addon in back:
        working = {"suspended_at": None, "suspended_for": None, "reason": None, "updated_at": at}
        await tx.execute(update(Addon).where(Addon.id == addon.id).values(working))
        ended = addon.suspended_for == Suspension.TRIAL
        await change_mode(tx, addon.id, Mode.PAID if ended else replace(addon, suspended_for=None).mode, at)
        await note_resumed(tx, addon, actor, at)
        for attachment in _given(addon):
            config = await _config_for(tx, addon, attachment)
            if config is not None:
                pieces.add(addon, attachment, *await given_by(tx, addon, attachment, config, actor, at))
    try:
        await pieces.release(tx, "Resume {}", actor, at)
    except InvalidParams as refusal:
        raise _NoRoom([addon.id for addon in back], refusal.message) from None
    return len(back)


def _given(addon: LockedAddon) -> list[LockedAttachment]:
    """Its attachments to apps that are there."""
    return [each for each in addon.attachments if each.app_id in addon.apps and addon.app_id in addon.apps]


async def _config_for(tx: Tx, addon: LockedAddon, attachment: LockedAttachment) -> Mapping[str, Secret] | None:
    """What an attachment gives by now; None if its credential is gone."""
    if attachment.namespace is None:
        return await stored_config(tx, addon.id, addon.apps[addon.app_id].data_key)
    try:
        return await config_of_credential(tx, addon, attachment.namespace)
    except InvalidParams:
        return None


@dataclass
class _Pieces:
    """What is changed in each app, so that it becomes one release."""

    by_app: dict[UUID, tuple[LockedAddon, list[str], list[ConfigChange]]] = field(default_factory=dict)

    def add(self, addon: LockedAddon, attachment: LockedAttachment, name: str, changes: Iterable[ConfigChange]) -> None:
        """What one attachment changes, under the name that it has."""
        _, names, collected = self.by_app.setdefault(attachment.app_id, (addon, [], []))
        names.append(name)
        collected += changes

    async def release(self, tx: Tx, description: str, actor: Actor, at: datetime) -> None:
        """Cut the releases; the names take the place of `{}`.

        Raises: InvalidParams if an environment would become too large.
        """
        for app_id, (addon, names, changes) in sorted(self.by_app.items()):
            await cut_release(
                tx,
                addon.apps[app_id],
                changes,
                description=description.format(", ".join(names)),
                actor=actor,
                at=at,
                addon_plan_names=await plan_names(tx, app_id),
            )
