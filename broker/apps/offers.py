"""What offering an app and offering an add-on have in common: the offer, who may answer it, and what becomes of it.

Called with the open transaction. What is offered is told by `transfers.py` and by `addons/transfer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from broker.accounts.models import User
from broker.accounts.teams import speaks_for
from broker.apps.models import App
from broker.apps.term_models import Transfer
from broker.events.emit import emit
from broker.events.models import Event
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden
from broker.kernel.ids import as_uuid


class TransferState(StrEnum):
    """What became of an offer. `withdrawn`: the sender took it back, or what was offered is not there any more."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Offer(Protocol):
    """What any of them says."""

    @property
    def id(self) -> UUID:
        """Of the offer."""

    @property
    def app_id(self) -> UUID:
        """Where what is offered is billed."""

    @property
    def recipient_id(self) -> UUID:
        """Who may accept it."""

    @property
    def state(self) -> TransferState:
        """What became of it."""


AnOffer = TypeVar("AnOffer", bound=Offer)


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


async def turn_down(tx: Tx, actor: Actor, offer: Offer, at: datetime, addon_id: UUID | None = None) -> None:
    """Say no to what was offered; as the one who offered it, take that back.

    Raises: Conflict if it is not pending any more.
    """
    state = TransferState.DECLINED if offer.recipient_id == actor.id else TransferState.WITHDRAWN
    await decide(tx, offer.id, state, at)
    await emit(
        tx, "transfer.declined", actor, at, app_id=offer.app_id, addon_id=addon_id, transfer=str(offer.id),
        state=state.value,
    )  # fmt: skip


async def withdraw_offers(tx: Tx, app_id: UUID, at: datetime) -> None:
    """Take back what is offered of an app that goes, or belongs to somebody else from now on: itself, and its add-ons."""
    await withdraw(tx, Transfer.app_id == app_id, at)


async def withdraw_offers_by(tx: Tx, team_id: UUID, user_id: UUID, at: datetime) -> None:
    """Take back what somebody has offered for a team, of which they have no say any more. The facts tell who it was."""
    theirs = select(Event.data["transfer"].astext).where(Event.actor_id == user_id, Event.kind == "transfer.offered")
    await withdraw(tx, (Transfer.sender_id == team_id) & cast(Transfer.id, Text).in_(theirs), at)


async def withdraw(tx: Tx, which: ColumnElement[bool], at: datetime) -> None:
    """Take back what is still offered of something that is its sender's no more."""
    pending = update(Transfer).where(which, Transfer.state == TransferState.PENDING)
    await tx.execute(pending.values(state=TransferState.WITHDRAWN, updated_at=at))


def concerns(actor: Actor) -> ColumnElement[bool]:
    """Offers that the actor made, for itself or a team that it runs, or was made."""
    sent = or_(Transfer.sender_id == actor.id, Transfer.sender_id.in_(speaks_for(actor)))
    return or_(sent, Transfer.recipient_id == actor.id)


def offered(*columns: Any) -> Select[*tuple[Any, ...]]:
    """Offers with what every view of one says of them, before these columns; the newest first."""
    sender, recipient = aliased(User), aliased(User)
    every = (
        Transfer.id, Transfer.app_id, App.name.label("app_name"), Transfer.sender_id,
        sender.email.label("sender_email"), Transfer.recipient_id, recipient.email.label("recipient_email"),
        Transfer.state, Transfer.created_at, Transfer.updated_at,
    )  # fmt: skip
    joined = select(*every, *columns).join(App, App.id == Transfer.app_id)
    joined = joined.join(sender, sender.id == Transfer.sender_id)
    joined = joined.join(recipient, recipient.id == Transfer.recipient_id)
    return joined.order_by(Transfer.created_at.desc(), Transfer.id)


def told(row: Any) -> dict[str, Any]:
    """What a row of them says, by name."""
    said: dict[str, Any] = row._asdict()
    return said | {"state": TransferState(row.state)}


def meant(found: Sequence[AnOffer], key: str) -> AnOffer | None:
    """Which of these is meant by a key that names all of them: the one with that id, else the pending one."""
    offer_id = as_uuid(key)
    return next((each for each in found if each.state is TransferState.PENDING or each.id == offer_id), None)
