"""Sharing an app: adding, listing and removing collaborators, leaving, and what only the owner may do.

Who sees what is not told here but in `visibility.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import TeamRole
from broker.apps.models import App, Collaborator
from broker.apps.people import find_person
from broker.apps.resolve import AppView, changeable_app, visible_app
from broker.apps.visibility import Role, Viewer, may_see, role_in, viewer
from broker.apps.watched import stop_unseen_webhooks
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, InvalidParams, NotFound


@dataclass(frozen=True, slots=True)
class CollaboratorView:
    """Somebody's part in an app. Its owner has one, too."""

    app_id: UUID
    app_name: str
    user_id: UUID
    email: str
    role: Role | TeamRole
    """As those of its team have theirs in it, where the app is a team's."""
    created_at: datetime

    @property
    def id(self) -> UUID:
        """Made from app and user: the same for the same two."""
        return uuid5(self.app_id, str(self.user_id))


def role_in_app(user_id: UUID) -> ColumnElement[str]:
    """The role of a user who may see the row of `apps` that a statement reads."""
    return role_in(App, Viewer(user_id))


async def role_of(tx: Tx, actor: Actor, app_id: UUID) -> Role | None:
    """What the actor is to the app, which may be destroyed; None if it is none of the actor's business."""
    statement = select(role_in_app(actor.id)).where(App.id == app_id, may_see(App, viewer(actor)))
    found = (await tx.execute(statement)).scalar()
    return None if found is None else Role(found)


def paid_by(user_id: UUID) -> ColumnElement[bool]:
    """Whether this user pays for what is billed to the row of `apps` that a statement reads: as its owner, or for the owner."""
    return or_(App.payer_id == user_id, (App.owner_id == user_id) & App.payer_id.is_(None))


def owns(actor: Actor, app: AppView) -> bool:
    """Whether the app belongs to the actor, who has looked it up, or to a team that the actor runs."""
    return app.owner_id == actor.id or app.role == Role.OWNER


def require_owner(actor: Actor, app: AppView, what: str) -> None:
    """Go on only for the owner of the app.

    Raises: Forbidden.
    """
    if not owns(actor, app):
        owner = f"{app.owner_email}: only its owner" if app.team_name is None else _team(app.team_name)
        raise Forbidden(f"{app.name} belongs to {owner} can {what}.")


def _team(name: str) -> str:
    return f"the team {name}: only its owners and admins"


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
        app = await changeable_app(tx, actor, app_key, keep=True)
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
        if gone.user_id == app.owner_id:
            raise InvalidParams(f"{gone.email} owns {app.name} and can't be removed from it.")
        if isinstance(gone.role, TeamRole):
            raise InvalidParams(
                f"{gone.email} is here as one of the team {app.team_name}: `broker members:remove` ends that."
            )
        if gone.user_id != actor.id:
            require_owner(actor, app, "remove somebody else from it")
        await end_collaboration(tx, app.id, gone.user_id)
        await stop_unseen_webhooks(tx, actor, gone.user_id, at)
        await emit(tx, "collaborator.removed", actor, at, app_id=app.id, user_id=str(gone.user_id), email=gone.email)
        return gone


async def end_collaboration(tx: Tx, app_id: UUID, user_id: UUID) -> None:
    """Somebody is a collaborator no more: removed, or the owner from now on."""
    await tx.execute(delete(Collaborator).where(Collaborator.app_id == app_id, Collaborator.user_id == user_id))


async def end_shares(tx: Tx, owner_id: UUID, user_id: UUID) -> list[UUID]:
    """Somebody is a collaborator of nothing any more that an account owns; the apps of which it was."""
    owned = select(App.id).where(App.owner_id == owner_id)
    gone = delete(Collaborator).where(Collaborator.user_id == user_id, Collaborator.app_id.in_(owned))
    return list((await tx.execute(gone.returning(Collaborator.app_id))).scalars())


async def has_share_of_team(tx: Tx, user_id: UUID, team_name: str) -> bool:
    """Whether an app of the team is shared with somebody."""
    shared = select(Collaborator.app_id).join(App, App.id == Collaborator.app_id).join(User, User.id == App.owner_id)
    shared = shared.where(Collaborator.user_id == user_id, User.team_name == team_name, App.destroyed_at.is_(None))
    return (await tx.execute(shared.limit(1))).scalar() is not None


async def live_app_ids(tx: Tx, owner_id: UUID) -> list[UUID]:
    """The apps that an account owns."""
    owned = select(App.id).where(App.owner_id == owner_id, App.destroyed_at.is_(None)).order_by(App.id)
    return list((await tx.execute(owned)).scalars())


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
    return [owner, *others, *(await _of_team(tx, app, {view.user_id for view in others}))]


async def _of_team(tx: Tx, app: AppView, but: Collection[UUID]) -> list[CollaboratorView]:
    """Those of the app's team, if it is a team's. Whom it was also shared with alone is there already."""
    if app.team_name is None:
        return []
    of_team = select(TeamMember.user_id, User.email, TeamMember.role, TeamMember.created_at)
    of_team = of_team.join(User, User.id == TeamMember.user_id).where(TeamMember.team_id == app.owner_id)
    rows = await tx.execute(of_team.order_by(TeamMember.created_at, TeamMember.user_id))
    return [
        CollaboratorView(app.id, app.name, user_id, email, TeamRole(role), created_at)
        for user_id, email, role, created_at in rows
        if user_id not in but
    ]


def _find(everybody: Iterable[CollaboratorView], key: str) -> CollaboratorView:
    wanted = key.casefold()
    for view in everybody:
        if wanted in (view.email.casefold(), str(view.user_id), str(view.id)):
            return view
    raise NotFound("collaborator")
