"""What a provider tells later, by itself: "provisioned", "deprovisioned", new config. The same door as the worker's replies.

Who may say so is checked by the face; here the add-on is taken as it is found, and its provider is the actor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, literal, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.config import as_told, give_to_apps, store_config, stored_config, undeclared
from broker.addons.generations import OVERLAP, issued, issuing, record_new_config
from broker.addons.intents import new_operation
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import UNFINISHED, AddonState, Operation, OperationKind, OperationState
from broker.addons.partner import partner_actor
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView, get_addon
from broker.addons.settle import complete_deprovision, complete_provision, fail_provision, with_locks
from broker.addons.work import history_entry
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.kernel.signals import notify


async def report_provisioned(ctx: Context, addon_id: UUID) -> AddonView:
    """The provider has finished an asynchronous provision; repeating it is harmless, and so is coming before the 202.

    Raises: NotFound; Conflict if the add-on is being removed.
    """

    async def body(tx: Tx) -> AddonView:
        addon = await _locked(tx, ctx, addon_id)
        now = ctx.clock.now()
        if addon.state is AddonState.PROVISIONING:
            await complete_provision(tx, addon, Reply(Answer.DONE), _provider(addon), now)
            await _end_operation(tx, addon_id, OperationKind.PROVISION, OperationState.SUCCEEDED, now)
        elif addon.state is not AddonState.PROVISIONED:
            raise Conflict(f"{addon.name} is {addon.state}: deprovision it.")
        return await get_addon(tx, addon_id)

    return await with_locks(ctx, body)


async def report_deprovisioned(ctx: Context, addon_id: UUID) -> AddonView:
    """The provider has removed the resource, or gives up a provision that it had accepted. Repeating it is harmless.

    Raises: NotFound; Conflict if nobody has asked for the removal.
    """

    async def body(tx: Tx) -> AddonView:
        addon = await _locked(tx, ctx, addon_id)
        now = ctx.clock.now()
        if addon.state is AddonState.PROVISIONING:
            said = f"{addon.service_name} could not provision it. Nothing is charged."
            await fail_provision(tx, addon, said, _provider(addon), now)
            await _end_operation(tx, addon_id, OperationKind.PROVISION, OperationState.FAILED, now, said)
        elif addon.state is AddonState.DEPROVISIONING:
            await complete_deprovision(tx, addon, _provider(addon), now)
            await _end_operation(tx, addon_id, OperationKind.DEPROVISION, OperationState.SUCCEEDED, now)
        elif addon.state is AddonState.PROVISIONED:
            raise Conflict(f"{addon.name} is in use: only its owner can have it removed.")
        return await get_addon(tx, addon_id)

    return await with_locks(ctx, body)


async def read_config(ctx: Context, addon_id: UUID) -> dict[str, Secret | None]:
    """What the provider gave, under the manifest's names; None for what is declared and not given.

    Raises: NotFound.
    """

    async def body(tx: Tx) -> dict[str, Secret | None]:
        addon = await _locked(tx, ctx, addon_id)
        about = {"app_id": addon.app_id, "addon_id": addon.id}
        await emit(tx, "addon_config.read", _provider(addon), ctx.clock.now(), **about)
        return _complete(addon, await _stored(tx, addon))

    return await with_locks(ctx, body)


async def update_config(
    ctx: Context, addon_id: UUID, values: Mapping[str, Secret | None], overlap: timedelta = OVERLAP
) -> dict[str, Secret | None]:
    """Take new values from the provider: kept for later while it provisions, else given to every attached app at once.

    They are a new generation of credentials; `overlap` is how long the apps are waited for before the provider is told
    that the old ones are no longer needed.
    Raises: NotFound; Conflict if the add-on is being removed; InvalidParams for names that the manifest does not declare,
        or an environment grown too large.
    """

    async def body(tx: Tx) -> dict[str, Secret | None]:
        addon = await _locked(tx, ctx, addon_id)
        if addon.state is AddonState.DEPROVISIONING:
            raise Conflict(f"{addon.name} is being removed: its config has no use any more.")
        if unknown := undeclared(addon, values):
            raise InvalidParams(f"The manifest of {addon.service} does not declare {as_told(unknown)}.")
        if await store_config(tx, addon, values):
            now = ctx.clock.now()
            if addon.state is AddonState.PROVISIONED:
                releases = await give_to_apps(tx, addon, "Update", _provider(addon), now)
                await _credentials_came(tx, addon, releases, now, overlap)
            await _record_refresh(tx, addon, sorted(values), now)
        return _complete(addon, await _stored(tx, addon))

    return await with_locks(ctx, body)


async def _locked(tx: Tx, ctx: Context, addon_id: UUID) -> LockedAddon:
    addon = await lock_addon(tx, ctx, addon_id)
    if addon is None or addon.state is AddonState.DEPROVISIONED:
        raise NotFound("add_on")
    return addon


def _provider(addon: LockedAddon) -> Actor:
    return partner_actor(addon.service_id, addon.service)


async def _stored(tx: Tx, addon: LockedAddon) -> dict[str, Secret]:
    billing = addon.apps.get(addon.app_id)
    return await stored_config(tx, addon.id, billing.data_key) if billing else {}


def _complete(addon: LockedAddon, stored: Mapping[str, Secret]) -> dict[str, Secret | None]:
    return {name: stored.get(name) for name in addon.declared}


async def _credentials_came(
    tx: Tx, addon: LockedAddon, releases: Mapping[UUID, int], now: datetime, overlap: timedelta
) -> None:
    """They are what the provider was asked for, if it was asked, or its own doing."""
    rotation_id = await issuing(tx, addon.id)
    if rotation_id is None:
        await record_new_config(tx, addon, releases, now, overlap=overlap)
        return
    await issued(tx, addon, rotation_id, releases, _provider(addon), now)
    quiet = (OperationState.PENDING, OperationState.WAITING)  # a call that is under way ends its operation itself
    await _end_operation(tx, addon.id, OperationKind.ROTATE, OperationState.SUCCEEDED, now, found=quiet)


async def _record_refresh(tx: Tx, addon: LockedAddon, names: list[str], now: datetime) -> None:
    """New config is an operation too, over as soon as it is recorded, so that its history tells of it."""
    done = {"state": OperationState.SUCCEEDED, "step": "done", "attempts": 1, "next_at": None, "finished_at": now}
    done["deadline_at"] = now
    entry = history_entry(now, "callback", "done", note=f"the provider sent {', '.join(names)}")
    row = new_operation(new_id(), addon.id, OperationKind.REFRESH, _provider(addon), now)
    await tx.execute(insert(Operation).values(row | done | {"history": entry}))


async def _end_operation(
    tx: Tx,
    addon_id: UUID,
    kind: OperationKind,
    state: OperationState,
    now: datetime,
    reason: str | None = None,
    found: Collection[OperationState] = UNFINISHED,
) -> None:
    """End the unfinished operation of this kind from outside: whoever holds its fencing token has lost it."""
    entry: list[Any] = history_entry(now, "callback", state)
    ended = (
        update(Operation)
        .where(Operation.addon_id == addon_id, Operation.kind == kind, Operation.state.in_(found))
        .values(
            state=state,
            step="done",
            fencing=Operation.fencing + 1,
            reason=reason,
            error_id="provider_unavailable" if reason else None,
            next_at=None,
            lease_until=None,
            finished_at=now,
            updated_at=now,
            options_sealed=None,
            history=Operation.history.op("||")(literal(entry, JSONB)),
        )
        .returning(Operation.id)
    )
    for operation_id in (await tx.execute(ended)).scalars():
        await notify(tx, operation_id)
