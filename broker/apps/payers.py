"""Who pays for an app in its owner's place: asking somebody, agreeing to it, and ending it again.

Whoever pays sees what it costs, and nothing of the app. What the change means for bills is told by `addons/handover.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from broker.accounts.models import User
from broker.accounts.teams import keep_account, speaks_for
from broker.apps.collaborators import require_owner
from broker.apps.models import App
from broker.apps.people import find_person
from broker.apps.releases import LockedApp, lock_app
from broker.apps.resolve import AppView, app_that_was, changeable_app, visible_app
from broker.apps.term_models import PayerOffer
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.notices.outbox import notify

MoveBill: TypeAlias = Callable[[Tx, LockedApp, UUID], Awaitable[None]]
"""Has another account pay for what is billed to a locked app, from now on; may refuse. Known to `addons`, which is above us."""


class PayerState(StrEnum):
    """What became of it that somebody was asked to pay. `withdrawn`: the owner did not want it any more before the answer."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


_STANDING: Final = (PayerState.PENDING, PayerState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class PayerView:
    """Somebody who was asked to pay for an app."""

    id: UUID
    app_id: UUID
    app_name: str
    owner_id: UUID
    owner_email: str
    payer_id: UUID
    payer_email: str
    state: PayerState
    created_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None


async def ask_payer(ctx: Context, actor: Actor, app_key: str, key: str) -> PayerView:
    """Ask the user of this e-mail address or id to pay for an app. Nothing changes before the answer.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden, InvalidParams; Conflict while somebody is asked already, or pays.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await changeable_app(tx, actor, app_key, keep=True)
        require_owner(actor, app, "say who pays for it")
        person = await find_person(tx, key, "It takes an account to pay for an app.", or_team=True)
        if person.id == app.owner_id:
            raise InvalidParams(f"{person.email} owns {app.name} and pays for it unless somebody else does.")
        standing = await _find(tx, (PayerOffer.app_id == app.id) & PayerOffer.state.in_(_STANDING))
        if standing:
            raise Conflict(_in_the_way(standing[0]))
        row = {"id": new_id(), "app_id": app.id, "account_id": person.id, "offered_by": app.owner_id}
        try:
            async with tx.begin_nested():
                await tx.execute(insert(PayerOffer).values(**row, state=PayerState.PENDING, created_at=at))
        except IntegrityError:
            raise Conflict(f"Somebody was asked to pay for {app.name} at the same moment.") from None
        await emit(tx, "payer.asked", actor, at, app_id=app.id, payer=person.email)
        await notify(tx, person.id, "payer.asked", {"app": app.name, "owner": app.owner_email}, at)
        return await _one(tx, row["id"])


def _in_the_way(view: PayerView) -> str:
    if view.state is PayerState.ACCEPTED:
        return f"{view.payer_email} pays for {view.app_name}: end that first, with `broker payers:end {view.app_name}`."
    return f"{view.payer_email} has been asked already: `broker payers:end {view.app_name}` takes it back."


async def list_payers(ctx: Context, actor: Actor) -> list[PayerView]:
    """Whom the actor asked to pay, and what the actor was asked to pay for or pays for; newest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _find(tx, _concerns(actor))


async def get_payer(ctx: Context, actor: Actor, key: str) -> PayerView:
    """One of them, by its id or, of those that stand, by the app's name.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _named(tx, actor, key)


async def payer_of_app(ctx: Context, actor: Actor, app_key: str) -> PayerView:
    """Who pays for a visible app, or was asked to, in its owner's place.

    Raises: NotFound if it is the owner.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key)
        standing = await _find(tx, (PayerOffer.app_id == app.id) & PayerOffer.state.in_(_STANDING))
        if not standing:
            raise NotFound("payer", f"{app.name} is paid for by its owner, {app.owner_email}.")
        return standing[0]


async def accept_payer(ctx: Context, actor: Actor, key: str, move_bill: MoveBill) -> PayerView:
    """Agree to pay for an app: from this instant on.

    Transactions: one, with the app locked; `move_bill` may refuse.
    Raises: NotFound, Forbidden; Conflict if it is not pending any more; whatever `move_bill` raises.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await keep_account(tx, actor)
        view = await _named(tx, actor, key)
        if view.payer_id != actor.id:
            raise Forbidden(f"{view.payer_email} was asked to pay for {view.app_name}, and nobody else can agree.")
        app = await lock_app(tx, ctx.vault, view.app_id, alone=True)
        await _decide(tx, view, PayerState.PENDING, PayerState.ACCEPTED, accepted_at=at)
        if app is None or app.owner_id != view.owner_id:
            raise NotFound("payer")
        await _set_payer(tx, app.id, actor.id, at)
        await move_bill(tx, app, actor.id)
        await emit(tx, "payer.accepted", actor, at, app_id=app.id, payer=view.payer_email)
        return await _one(tx, view.id)


async def decline_payer(ctx: Context, actor: Actor, key: str) -> PayerView:
    """Say no to paying for an app.

    Transactions: one. Raises: NotFound, Forbidden; Conflict if it is not pending any more.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _named(tx, actor, key)
        if view.payer_id != actor.id:
            raise Forbidden(f"{view.payer_email} was asked to pay for {view.app_name}, and nobody else can decline.")
        await _decide(tx, view, PayerState.PENDING, PayerState.DECLINED, ended_at=at)
        await emit(tx, "payer.declined", actor, at, app_id=view.app_id, payer=view.payer_email)
        return await _one(tx, view.id)


async def end_payer(ctx: Context, actor: Actor, key: str, move_bill: MoveBill) -> PayerView:
    """End it that somebody pays for an app, as its owner or as whoever pays: from this instant on the owner does. What was
    not answered yet is taken back.

    Transactions: one, with the app locked.
    Raises: NotFound, Forbidden; Conflict if it has ended.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _named(tx, actor, key)
        if view.state is PayerState.PENDING:
            ended = PayerState.DECLINED if view.payer_id == actor.id else PayerState.WITHDRAWN
            await _decide(tx, view, PayerState.PENDING, ended, ended_at=at)
        else:
            app = await lock_app(tx, ctx.vault, view.app_id, alone=True)
            await _decide(tx, view, PayerState.ACCEPTED, PayerState.ENDED, ended_at=at)
            if app is not None:
                await _set_payer(tx, app.id, None, at)
                await move_bill(tx, app, app.owner_id)
        await emit(tx, "payer.ended", actor, at, app_id=view.app_id, payer=view.payer_email)
        if view.state is PayerState.ACCEPTED:
            facts = {"app": view.app_name, "owner": view.owner_email, "payer": view.payer_email}
            await notify(tx, view.owner_id if actor.id == view.payer_id else view.payer_id, "payer.ended", facts, at)
        return await _one(tx, view.id)


async def end_standing(tx: Tx, app_id: UUID, at: datetime) -> None:
    """Whoever agreed to pay, agreed with the owner that was, and for the app that was. Part of giving it away, and of
    destroying it.
    """
    await _set_payer(tx, app_id, None, at)
    of_app = update(PayerOffer).where(PayerOffer.app_id == app_id)
    await tx.execute(
        of_app.where(PayerOffer.state == PayerState.PENDING).values(state=PayerState.WITHDRAWN, ended_at=at)
    )
    await tx.execute(of_app.where(PayerOffer.state == PayerState.ACCEPTED).values(state=PayerState.ENDED, ended_at=at))


async def paid_app(tx: Tx, actor: Actor, key: str) -> AppView:
    """The app of this name or id that the actor pays for or may see: for what concerns its costs alone.

    Raises: NotFound.
    """
    accepted = (PayerOffer.account_id == actor.id) & (PayerOffer.state == PayerState.ACCEPTED)
    found = await _find(tx, accepted & _app_named(key)) if actor.only_apps is None else []
    return await app_that_was(tx, found[0].app_id) if found else await visible_app(tx, actor, key)


async def payer_standing(tx: Tx, app_id: UUID) -> str | None:
    """The e-mail address of whoever pays in the owner's place."""
    accepted = (PayerOffer.app_id == app_id) & (PayerOffer.state == PayerState.ACCEPTED)
    return next((view.payer_email for view in await _find(tx, accepted)), None)


async def _set_payer(tx: Tx, app_id: UUID, payer_id: UUID | None, at: datetime) -> None:
    await tx.execute(update(App).where(App.id == app_id).values(payer_id=payer_id, updated_at=at))


async def _decide(tx: Tx, view: PayerView, before: PayerState, after: PayerState, **values: Any) -> None:
    decided = update(PayerOffer).where(PayerOffer.id == view.id, PayerOffer.state == before)
    if (await tx.execute(decided.values(state=after, **values).returning(PayerOffer.id))).scalar() is None:
        (now,) = await _find(tx, PayerOffer.id == view.id)
        raise Conflict(f"That is {now.state} already.")


def _concerns(actor: Actor) -> ColumnElement[bool]:
    asked = or_(PayerOffer.offered_by == actor.id, PayerOffer.offered_by.in_(speaks_for(actor)))
    return or_(PayerOffer.account_id == actor.id, asked)


def _app_named(key: str) -> ColumnElement[bool]:
    app_id = as_uuid(key)
    return (App.id == app_id) if app_id else (App.name == key)


async def _named(tx: Tx, actor: Actor, key: str) -> PayerView:
    named = PayerOffer.id == as_uuid(key) if as_uuid(key) else App.name == key
    found = await _find(tx, _concerns(actor) & named)
    standing = [view for view in found if view.state in _STANDING]
    if not found or (len(found) > 1 and not standing):
        raise NotFound("payer", "Nobody was asked to pay for that app. `broker payers` lists who was.")
    return (standing or found)[0]


async def _one(tx: Tx, offer_id: UUID) -> PayerView:
    (view,) = await _find(tx, PayerOffer.id == offer_id)
    return view


async def _find(tx: Tx, condition: ColumnElement[bool]) -> list[PayerView]:
    owner, payer = aliased(User), aliased(User)
    columns = (
        PayerOffer.id, PayerOffer.app_id, App.name.label("app_name"), owner.id.label("owner_id"),
        owner.email.label("owner_email"), payer.id.label("payer_id"), payer.email.label("payer_email"),
        PayerOffer.state, PayerOffer.created_at, PayerOffer.accepted_at, PayerOffer.ended_at,
    )  # fmt: skip
    joined = select(*columns).join(App, App.id == PayerOffer.app_id).join(owner, owner.id == PayerOffer.offered_by)
    joined = joined.join(payer, payer.id == PayerOffer.account_id).where(condition)
    rows = await tx.execute(joined.order_by(PayerOffer.created_at.desc(), PayerOffer.id))
    return [PayerView(**row._asdict() | {"state": PayerState(row.state)}) for row in rows]
