"""`addons:transfer`: billing an add-on to another app, of the same owner at once, of somebody else when they agree.

Nothing is copied and no provider is asked: the add-on stays where it is, with every attachment that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select, update

from broker.addons.attach import AttachAddon, record_attachment
from broker.addons.config import reseal_config
from broker.addons.create import take_turn
from broker.addons.credentials import reseal_credentials
from broker.addons.handover import move_costs
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import UNFINISHED, Addon, AddonCredential, AddonState, CredentialState, Operation
from broker.addons.permits import require_payer
from broker.addons.queries import AddonView, get_addon
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.settle import with_locks
from broker.apps.collaborators import require_owner
from broker.apps.offers import (
    TransferState,
    concerns,
    decide,
    meant,
    offered,
    put_offer,
    require_recipient,
    told,
    turn_down,
    withdraw,
)
from broker.apps.people import find_person
from broker.apps.resolve import AppView, changeable_app
from broker.apps.term_models import Transfer
from broker.catalog.queries import get_service
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.notices.outbox import notify

_BUSY: Final = "Another change of {} is under way; wait for it with `addons:wait`, then transfer it."


@dataclass(frozen=True, slots=True)
class AddonTransferView:
    """An add-on that is offered to somebody, with what came of it."""

    id: UUID
    addon_id: UUID
    addon_name: str
    app_id: UUID
    app_name: str
    to_app_id: UUID | None
    sender_id: UUID
    sender_email: str
    recipient_id: UUID
    recipient_email: str
    state: TransferState
    created_at: datetime
    updated_at: datetime


async def move_addon(ctx: Context, actor: Actor, key: AddonKey, to_app: str) -> AddonView:
    """Bill an add-on to another app of the same owner from now on; it is attached there if it was not.

    Transactions: one; no provider takes part.
    Raises: NotFound, Forbidden, InvalidParams, Conflict; PaymentRequired if whoever pays for the other app can't bear it.
    """
    actor.require(Scope.WRITE_PROTECTED)
    return await with_locks(ctx, lambda tx: record_move(tx, ctx, actor, key, to_app))


async def record_move(tx: Tx, ctx: Context, actor: Actor, key: AddonKey, to_app: str) -> AddonView:
    """Bill it to another app, in the caller's transaction."""
    target = await changeable_app(tx, actor, to_app, keep=True)
    require_owner(actor, target, "have an add-on billed to it")
    addon = await lock_visible_addon(tx, ctx, actor, key, target.id)
    await require_payer(tx, actor, addon.app_id, "have its add-ons billed elsewhere")
    return await _move(tx, ctx, actor, addon, target)


async def offer_addon(ctx: Context, actor: Actor, key: AddonKey, recipient: str) -> AddonTransferView:
    """Offer an add-on to the user of this e-mail address or id. Nothing changes before the answer.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden, InvalidParams; Conflict while it is offered to somebody already.
    """
    actor.require_own_token()
    at = ctx.clock.now()

    async def offer(tx: Tx) -> AddonTransferView:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        await require_payer(tx, actor, addon.app_id, "give its add-ons to somebody else")
        person = await find_person(tx, recipient, "It takes one to be given an add-on.", or_team=True)
        billing = addon.apps.get(addon.app_id)
        owner_id = actor.id if billing is None else billing.owner_id
        if person.id == owner_id:
            raise InvalidParams(
                f"{addon.name} is {person.email}'s already: `broker addons:transfer {addon.name} --to APP` moves it."
            )
        row = {"id": new_id(), "app_id": addon.app_id, "addon_id": addon.id, "sender_id": owner_id}
        await put_offer(tx, addon.name, at, **row, recipient_id=person.id)
        await emit(
            tx, "transfer.offered", actor, at, app_id=addon.app_id, addon_id=addon.id,
            transfer=str(row["id"]), recipient=person.email,
        )  # fmt: skip
        facts = {"name": addon.name, "kind": "add-on", "sender": actor.email}
        await notify(tx, person.id, "transfer.offered", facts, at)
        return await _one(tx, Transfer.id == row["id"])

    return await with_locks(ctx, offer)


async def list_addon_transfers(ctx: Context, actor: Actor) -> list[AddonTransferView]:
    """The add-ons that the actor offered or was offered, newest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _find(tx, concerns(actor))


async def accept_addon(ctx: Context, actor: Actor, key: str, to_app: str) -> AddonTransferView:
    """Take an add-on that was offered, billed to an app of the actor's from now on.

    Transactions: one; no provider takes part.
    Raises: NotFound, Forbidden, InvalidParams, Conflict; PaymentRequired if whoever pays for the app can't bear it.
    """
    actor.require_own_token()

    async def accept(tx: Tx) -> AddonTransferView:
        view = await _named(tx, actor, key)
        require_recipient(actor, view.recipient_id, view.recipient_email)
        target = await changeable_app(tx, actor, to_app, keep=True)
        require_owner(actor, target, "have an add-on billed to it")
        addon = await lock_addon(tx, ctx, view.addon_id, target.id)
        before = addon.apps.get(addon.app_id) if addon is not None else None
        if addon is None or before is None or before.id != view.app_id or before.owner_id != view.sender_id:
            raise NotFound("addon_transfer", f"{view.addon_name} is not there to be taken any more.")
        await decide(tx, view.id, TransferState.ACCEPTED, ctx.clock.now(), to_app_id=target.id)
        await _move(tx, ctx, actor, addon, target)
        facts = {"name": view.addon_name, "kind": "add-on", "recipient": view.recipient_email}
        await notify(tx, view.sender_id, "transfer.accepted", facts, ctx.clock.now())
        return await _one(tx, Transfer.id == view.id)

    return await with_locks(ctx, accept)


async def decline_addon(ctx: Context, actor: Actor, key: str) -> AddonTransferView:
    """Say no to an add-on that was offered; as the one who offered it, take that back.

    Transactions: one. Raises: NotFound, Forbidden; Conflict if it is not pending any more.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _named(tx, actor, key)
        await turn_down(tx, actor, view, at, view.addon_id)
        return await _one(tx, Transfer.id == view.id)


async def _move(tx: Tx, ctx: Context, actor: Actor, addon: LockedAddon, target: AppView) -> AddonView:
    """Change the billing app of a locked add-on, with everything that hangs on it."""
    if target.id == addon.app_id:
        return await get_addon(tx, addon.id)
    await _require_quiet(tx, addon)
    await _check_place(tx, addon, target)
    if target.id not in addon.apps:
        raise NotFound("app")
    at, payer_id = ctx.clock.now(), addon.apps[target.id].payer_id
    to_other = payer_id != addon.payer_id
    await move_costs(tx, ctx, actor, [addon.id], payer_id, app_id=target.id, to_other=to_other)
    old, new = addon.apps[addon.app_id].data_key, addon.apps[target.id].data_key
    await reseal_config(tx, addon.id, old, new)
    await reseal_credentials(tx, addon.id, old, new)
    await tx.execute(update(Addon).where(Addon.id == addon.id).values(app_id=target.id, updated_at=at))
    await withdraw(tx, Transfer.addon_id == addon.id, at)
    before = addon.apps[addon.app_id].name
    await emit(tx, "addon.left", actor, at, app_id=addon.app_id, addon_id=addon.id, name=addon.name)
    await emit(tx, "addon.transferred", actor, at, app_id=target.id, addon_id=addon.id, before={"app": before})
    if target.id not in {attachment.app_id for attachment in addon.attachments}:
        await record_attachment(tx, ctx, actor, AttachAddon(AddonKey(str(addon.id)), str(target.id)), new_id())
    return await get_addon(tx, addon.id)


async def _require_quiet(tx: Tx, addon: LockedAddon) -> None:
    """Go on only with an add-on at which nothing is done: values that a provider gives are sealed for one app."""
    if addon.state is not AddonState.PROVISIONED:
        raise Conflict(f"{addon.name} is {addon.state}; it can be transferred once it is provisioned.")
    busy = exists().where(Operation.addon_id == addon.id, Operation.state.in_(UNFINISHED))
    making = select(AddonCredential.state).where(AddonCredential.addon_id == addon.id).with_for_update()
    states = set((await tx.execute(making)).scalars())
    if CredentialState.CREATING in states or (await tx.execute(select(busy))).scalar_one():
        raise Conflict(_BUSY.format(addon.name))


async def _check_place(tx: Tx, addon: LockedAddon, target: AppView) -> None:
    service = await get_service(tx, addon.service)
    if not service.supports_sharing and len({attachment.app_id for attachment in addon.attachments} - {target.id}):
        raise InvalidParams(
            f"{addon.service_name} can't be shared between apps: detach {addon.name} from the others first, then transfer it."
        )
    if service.supports_multiple_installations:
        return
    await take_turn(tx, target.id, addon.service_id)
    present = (Addon.app_id == target.id, Addon.service_id == addon.service_id, Addon.state != AddonState.DEPROVISIONED)
    if (await tx.execute(select(exists().where(*present)))).scalar_one():
        raise InvalidParams(f"{addon.service_name} can be had once per app, and {target.name} has it already.")


async def _named(tx: Tx, actor: Actor, key: str) -> AddonTransferView:
    transfer_id = as_uuid(key)
    named = (Transfer.id == transfer_id) | (Addon.id == transfer_id) if transfer_id else Addon.name == key
    found = meant(await _find(tx, concerns(actor) & named), key)
    if found is None:
        raise NotFound(
            "addon_transfer", "No add-on of that name is offered to you or by you. `broker transfers` lists them."
        )
    return found


async def _one(tx: Tx, condition: ColumnElement[bool]) -> AddonTransferView:
    (view,) = await _find(tx, condition)
    return view


async def _find(tx: Tx, condition: ColumnElement[bool]) -> list[AddonTransferView]:
    addon = Addon.id.label("addon_id"), Addon.name.label("addon_name"), Transfer.to_app_id
    addons = offered(*addon).join(Addon, Addon.id == Transfer.addon_id).where(condition)
    return [AddonTransferView(**told(row)) for row in await tx.execute(addons)]
