"""Giving an app to somebody else: offering it, and what comes of that. The new owner pays from the instant of accepting.

What that means for add-ons and their bill is told by `addons/handover.py`; single add-ons are `addons/transfer.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from broker.accounts.models import User
from broker.accounts.teams import speaks_for
from broker.apps.collaborators import end_collaboration, require_owner
from broker.apps.models import App
from broker.apps.payers import MoveBill, end_standing
from broker.apps.people import Person, find_person
from broker.apps.releases import LockedApp, lock_app
from broker.apps.resolve import changeable_app
from broker.apps.term_models import Transfer
from broker.events.emit import emit
from broker.events.webhooks import end_webhooks
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.notices.outbox import notify


class TransferState(StrEnum):
    """What became of an offer. `withdrawn`: the sender took it back, or what was offered is not there any more."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


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


async def put_offer(tx: Tx, name: str, at: datetime, **row: UUID | None) -> None:
    """Insert an offer of what is called so.

    Raises: Conflict while it is offered already.
    """
    new = insert(Transfer).values(**row, state=TransferState.PENDING, created_at=at, updated_at=at)
    try:
        async with tx.begin_nested():
            await tx.execute(new)
    except IntegrityError:
        raise Conflict(f"{name} is offered to somebody already: take that back first (`broker transfers`).") from None


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
        state = TransferState.DECLINED if view.recipient_id == actor.id else TransferState.WITHDRAWN
        await decide(tx, view.id, state, at)
        await emit(tx, "transfer.declined", actor, at, app_id=view.app_id, transfer=str(view.id), state=state.value)
        return await _one(tx, view.id)


def require_recipient(actor: Actor, recipient_id: UUID, recipient_email: str) -> None:
    """Go on only for the one to whom it is offered.

    Raises: Forbidden.
    """
    if actor.id != recipient_id:
        raise Forbidden(f"It is offered to {recipient_email}, and nobody else can accept it.")


async def decide(tx: Tx, transfer_id: UUID, state: TransferState, at: datetime, **values: Any) -> None:
    """Settle a pending offer.

    Raises: Conflict if somebody else has.
    """
    pending = (Transfer.id == transfer_id) & (Transfer.state == TransferState.PENDING)
    decided = update(Transfer).where(pending).values(state=state, updated_at=at, **values).returning(Transfer.id)
    if (await tx.execute(decided)).scalar() is None:
        now = (await tx.execute(select(Transfer.state).where(Transfer.id == transfer_id))).scalar()
        raise Conflict(f"That transfer is {now} already.")


async def withdraw_offers(tx: Tx, app_id: UUID, at: datetime) -> None:
    """Take back what is offered of an app that goes, or belongs to somebody else from now on: itself, and its add-ons."""
    await withdraw(tx, Transfer.app_id == app_id, at)


async def withdraw(tx: Tx, which: ColumnElement[bool], at: datetime) -> None:
    """Take back what is still offered of something that is its sender's no more."""
    pending = update(Transfer).where(which, Transfer.state == TransferState.PENDING)
    await tx.execute(pending.values(state=TransferState.WITHDRAWN, updated_at=at))


def concerns(actor: Actor) -> ColumnElement[bool]:
    """Offers that the actor made, for itself or a team that it runs, or was made."""
    sent = or_(Transfer.sender_id == actor.id, Transfer.sender_id.in_(speaks_for(actor)))
    return or_(sent, Transfer.recipient_id == actor.id)


async def _named(tx: Tx, actor: Actor, key: str) -> TransferView:
    transfer_id = as_uuid(key)
    named = (Transfer.id == transfer_id) | (App.id == transfer_id) if transfer_id else App.name == key
    found = await _find(tx, concerns(actor) & named)
    pending = [view for view in found if view.state is TransferState.PENDING or view.id == transfer_id]
    if not pending:
        raise NotFound(
            "app_transfer", "No app of that name is offered to you or by you. `broker transfers` lists them."
        )
    return pending[0]


async def _one(tx: Tx, transfer_id: UUID) -> TransferView:
    (view,) = await _find(tx, Transfer.id == transfer_id)
    return view


async def _find(tx: Tx, condition: ColumnElement[bool]) -> list[TransferView]:
    sender, recipient = aliased(User), aliased(User)
    columns = (
        Transfer.id, Transfer.app_id, App.name.label("app_name"), Transfer.sender_id,
        sender.email.label("sender_email"), Transfer.recipient_id, recipient.email.label("recipient_email"),
        Transfer.state, Transfer.created_at, Transfer.updated_at,
    )  # fmt: skip
    joined = select(*columns).join(App, App.id == Transfer.app_id).join(sender, sender.id == Transfer.sender_id)
    joined = joined.join(recipient, recipient.id == Transfer.recipient_id).where(condition, Transfer.addon_id.is_(None))
    rows = await tx.execute(joined.order_by(Transfer.created_at.desc(), Transfer.id))
    return [TransferView(**row._asdict() | {"state": TransferState(row.state)}) for row in rows]
