"""Giving an app to somebody else: offering it, and what comes of that. The new owner pays from the instant of accepting.

What that means for add-ons and their bill is told by `addons/handover.py`; single add-ons are `addons/transfer.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, update

from broker.accounts.teams import keep_account
from broker.apps.collaborators import end_collaboration, require_owner
from broker.apps.models import App
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
    withdraw_offers,
)
from broker.apps.payers import MoveBill, end_standing
from broker.apps.people import Person, find_person
from broker.apps.releases import LockedApp, lock_app
from broker.apps.resolve import changeable_app
from broker.apps.term_models import Transfer
from broker.events.emit import emit
from broker.events.webhooks import end_webhooks
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.notices.outbox import notify


@dataclass(frozen=True, slots=True)
class TransferView:
    """An app that is offered to somebody, with what came of it."""

    id: UUID
    app_id: UUID
    app_name: str
    sender_id: UUID
    sender_email: str
    recipient_id: UUID
    recipient_email: str
    state: TransferState
    created_at: datetime
    updated_at: datetime


async def offer_app(ctx: Context, actor: Actor, app_key: str, key: str) -> TransferView:
    """Offer an app, with its add-ons, to the user of this e-mail address or id. Nothing changes before the answer.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden, InvalidParams; Conflict while it is offered to somebody already.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await changeable_app(tx, actor, app_key, keep=True)
        require_owner(actor, app, "give it to somebody else")
        person = await find_person(tx, key, "It takes one to be given an app.", or_team=True)
        if person.id == app.owner_id:
            raise InvalidParams(f"{person.email} owns {app.name} already.")
        transfer_id = new_id()
        await put_offer(tx, app.name, at, id=transfer_id, app_id=app.id, sender_id=app.owner_id, recipient_id=person.id)
        await emit(tx, "transfer.offered", actor, at, app_id=app.id, transfer=str(transfer_id), recipient=person.email)
        await notify(tx, person.id, "transfer.offered", {"name": app.name, "kind": "app", "sender": actor.email}, at)
        return await _one(tx, transfer_id)


async def list_transfers(ctx: Context, actor: Actor) -> list[TransferView]:
    """The apps that the actor offered or was offered, newest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _find(tx, concerns(actor))


async def get_transfer(ctx: Context, actor: Actor, key: str) -> TransferView:
    """One of them by its id, or the pending one by the app's name.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _named(tx, actor, key)


async def accept_app(ctx: Context, actor: Actor, key: str, move_bill: MoveBill) -> TransferView:
    """Take an app that was offered. Whoever had it sees nothing of it any more; collaborators stay, and whoever paid in the
    owner's place does not any longer.

    Transactions: one, with the app locked; `move_bill` may refuse.
    Raises: NotFound, Forbidden; Conflict if it is not pending any more; whatever `move_bill` raises.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await keep_account(tx, actor)
        view = await _named(tx, actor, key)
        require_recipient(actor, view.recipient_id, view.recipient_email)
        app = await lock_app(tx, ctx.vault, view.app_id, alone=True)
        await decide(tx, view.id, TransferState.ACCEPTED, at)
        if app is None or app.owner_id != view.sender_id:
            raise NotFound("app_transfer", f"{view.app_name} is not there to be taken any more.")
        sender, recipient = Person(view.sender_id, view.sender_email), Person(actor.id, actor.email)
        await change_owner(tx, actor, app, sender, recipient, move_bill, at)
        facts = {"name": view.app_name, "kind": "app", "recipient": view.recipient_email}
        await notify(tx, view.sender_id, "transfer.accepted", facts, at)
        return await _one(tx, view.id)


async def change_owner(
    tx: Tx, actor: Actor, app: LockedApp, before: Person, to: Person, move_bill: MoveBill, at: datetime
) -> None:
    """Have a locked app belong to somebody else, or to a team, with all that ends with it: offers, payers, webhooks."""
    await end_standing(tx, app.id, at)
    await tx.execute(update(App).where(App.id == app.id).values(owner_id=to.id, updated_at=at))
    await end_collaboration(tx, app.id, to.id)
    await withdraw_offers(tx, app.id, at)
    await move_bill(tx, app, to.id)
    changed, was = {"owner": to.email}, {"owner": before.email}
    await emit(tx, "app.transferred", actor, at, app_id=app.id, changed=changed, before=was)
    await end_webhooks(tx, app.id, at)


async def decline_app(ctx: Context, actor: Actor, key: str) -> TransferView:
    """Say no to an app that was offered; as the one who offered it, take that back.

    Transactions: one. Raises: NotFound, Forbidden; Conflict if it is not pending any more.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _named(tx, actor, key)
        await turn_down(tx, actor, view, at)
        return await _one(tx, view.id)


async def _named(tx: Tx, actor: Actor, key: str) -> TransferView:
    transfer_id = as_uuid(key)
    named = (Transfer.id == transfer_id) | (App.id == transfer_id) if transfer_id else App.name == key
    found = meant(await _find(tx, concerns(actor) & named), key)
    if found is None:
        raise NotFound(
            "app_transfer", "No app of that name is offered to you or by you. `broker transfers` lists them."
        )
    return found


async def _one(tx: Tx, transfer_id: UUID) -> TransferView:
    (view,) = await _find(tx, Transfer.id == transfer_id)
    return view


async def _find(tx: Tx, condition: ColumnElement[bool]) -> list[TransferView]:
    apps = offered().where(condition, Transfer.addon_id.is_(None))
    return [TransferView(**told(row)) for row in await tx.execute(apps)]
