"""Sharing an app: adding, listing and removing collaborators, leaving, and what only the owner may do.

Who sees what is not told here but in `visibility.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, case, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.apps.models import App, Collaborator
from broker.apps.people import find_person
from broker.apps.resolve import AppView, visible_app
from broker.apps.visibility import may_see, viewer
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, InvalidParams, NotFound


class Role(StrEnum):
    """What somebody is to an app."""

    OWNER = "owner"
    COLLABORATOR = "collaborator"


@dataclass(frozen=True, slots=True)
class CollaboratorView:
    """Somebody's part in an app. Its owner has one, too."""

    app_id: UUID
    app_name: str
    user_id: UUID
    email: str
    role: Role
    created_at: datetime

    @property
    def id(self) -> UUID:
        """Made from app and user: the same for the same two."""
        return uuid5(self.app_id, str(self.user_id))


def role_in_app(user_id: UUID) -> ColumnElement[str]:
    """The role of a user who may see the row of `apps` that a statement reads."""
    return case((App.owner_id == user_id, Role.OWNER.value), else_=Role.COLLABORATOR.value)


async def role_of(tx: Tx, actor: Actor, app_id: UUID) -> Role | None:
    """What the actor is to the app, which may be destroyed; None if it is none of the actor's business."""
    statement = select(role_in_app(actor.id)).where(App.id == app_id, may_see(App, viewer(actor)))
    found = (await tx.execute(statement)).scalar()
    return None if found is None else Role(found)


def paid_by(user_id: UUID) -> ColumnElement[bool]:
    """Whether this user pays for what is billed to the row of `apps` that a statement reads: as its owner, or for the owner."""
    return or_(App.payer_id == user_id, (App.owner_id == user_id) & App.payer_id.is_(None))


def owns(actor: Actor, app: AppView) -> bool:
    """Whether the app belongs to the actor."""
    return app.owner_id == actor.id


def require_owner(actor: Actor, app: AppView, what: str) -> None:
    """Go on only for the owner of the app.

    Raises: Forbidden.
    """
    if not owns(actor, app):
        raise Forbidden(f"{app.name} belongs to {app.owner_email}: only its owner can {what}.")


async def list_collaborators(ctx: Context, actor: Actor, app_key: str) -> list[CollaboratorView]:
    """The owner, then everybody with whom the app is shared, in the order in which they came.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        return await everybody_on(tx, await visible_app(tx, actor, app_key))


async def get_collaborator(ctx: Context, actor: Actor, app_key: str, key: str) -> CollaboratorView:
    """One of them by e-mail address or id.

    Raises: NotFound, Forbidden.
    """
    return _find(await list_collaborators(ctx, actor, app_key), key)


async def add_collaborator(ctx: Context, actor: Actor, app_key: str, key: str) -> CollaboratorView:
    """Share an app with the user of this e-mail address or id, who must have an account.

    Transactions: one of its own. Takes a token of one's own, without limits: what is given here outlasts it.
    Raises: NotFound, Forbidden, InvalidParams.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key, keep=True)
        require_owner(actor, app, "share it")
        user = await find_person(tx, key, "It takes one to share an app with.")
        if user.id == app.owner_id:
            raise InvalidParams(f"{user.email} owns {app.name}.")
        row = {
            "app_id": app.id,
            "user_id": user.id,
            "role": Role.COLLABORATOR,
            "created_by": actor.id,
            "created_at": at,
        }
        new = insert(Collaborator).values(row).on_conflict_do_nothing().returning(Collaborator.app_id)
        if (await tx.execute(new)).scalar() is None:
            raise InvalidParams(f"{user.email} is a collaborator of {app.name} already.")
        await emit(tx, "collaborator.added", actor, at, app_id=app.id, user_id=str(user.id), email=user.email)
        return CollaboratorView(app.id, app.name, user.id, user.email, Role.COLLABORATOR, at)


async def remove_collaborator(ctx: Context, actor: Actor, app_key: str, key: str) -> CollaboratorView:
    """Stop sharing an app with a collaborator, by e-mail address or id. Collaborators may remove themselves: they leave.

    Transactions: one of its own.
    Raises: NotFound, Forbidden, InvalidParams.
    """
    actor.require(Scope.GLOBAL)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key)
        gone = _find(await everybody_on(tx, app), key)
        if gone.role is Role.OWNER:
            raise InvalidParams(f"{gone.email} owns {app.name} and can't be removed from it.")
        if gone.user_id != actor.id:
            require_owner(actor, app, "remove somebody else from it")
        await end_collaboration(tx, app.id, gone.user_id)
        await emit(tx, "collaborator.removed", actor, at, app_id=app.id, user_id=str(gone.user_id), email=gone.email)
        return gone


async def end_collaboration(tx: Tx, app_id: UUID, user_id: UUID) -> None:
    """Somebody is a collaborator no more: removed, or the owner from now on."""
    await tx.execute(delete(Collaborator).where(Collaborator.app_id == app_id, Collaborator.user_id == user_id))


async def everybody_on(tx: Tx, app: AppView) -> list[CollaboratorView]:
    """The same for a use case that has checked who asks."""
    owner = CollaboratorView(app.id, app.name, app.owner_id, app.owner_email, Role.OWNER, app.created_at)
    statement = (
        select(Collaborator.user_id, User.email, Collaborator.role, Collaborator.created_at)
        .join(User, User.id == Collaborator.user_id)
        .where(Collaborator.app_id == app.id)
        .order_by(Collaborator.created_at, Collaborator.user_id)
    )
    others = [
        CollaboratorView(app.id, app.name, user_id, email, Role(role), created_at)
        for user_id, email, role, created_at in await tx.execute(statement)
    ]
    return [owner, *others]


def _find(everybody: Iterable[CollaboratorView], key: str) -> CollaboratorView:
    wanted = key.casefold()
    for view in everybody:
        if wanted in (view.email.casefold(), str(view.user_id), str(view.id)):
            return view
    raise NotFound("collaborator")
