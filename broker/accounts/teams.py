"""Teams: accounts that several people own. Here: making, naming and finding them, and acting with a team's money.

A team is a row of `users`, so that it owns apps, pays and is billed as anybody is; it has no password, and nobody signs in as
one. Its members are `apps/team_members.py`'s, because what they are in a team, they are to its apps.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from broker.accounts.emails import TEAM_DOMAIN
from broker.accounts.models import User
from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import PAYING, RULING, TeamRole
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NameTaken, NotFound
from broker.kernel.ids import as_uuid, new_id

MOST_TEAMS: Final = 50
"""In how many teams somebody may be at once."""
_NAME: Final = re.compile("[a-z][a-z0-9-]{1,28}[a-z0-9]")
_RESERVED: Final = frozenset(("apps", "permissions", "personal", "invitations", "join", "new"))
"""Words that stand in the place of a name in paths."""


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team, as one of its members sees it."""

    id: UUID
    name: str
    email: str
    """Under which its apps name their owner. Nobody reads mail there."""
    role: TeamRole
    """What the member who has looked it up is in it."""
    members: int
    created_at: datetime
    updated_at: datetime


async def create_team(ctx: Context, actor: Actor, name: str) -> TeamView:
    """Make a team, of which the actor is the first owner.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: Forbidden, InvalidParams, NameTaken; Conflict for whoever is in very many.
    """
    actor.require_own_token()
    called, at, team_id = checked_team_name(name), ctx.clock.now(), new_id()
    row = {"id": team_id, "team_name": called, "email": team_email(called), "created_at": at, "updated_at": at}
    async with ctx.database.transaction() as tx:
        await require_room(tx, actor.id, "You are")
        try:
            async with tx.begin_nested():
                await tx.execute(insert(User).values(row))
        except IntegrityError:
            raise NameTaken from None
        owner = {"team_id": team_id, "user_id": actor.id, "role": TeamRole.OWNER, "created_by": actor.id}
        await tx.execute(insert(TeamMember).values(**owner, created_at=at, updated_at=at))
        await emit(tx, "team.created", actor, at, team=str(team_id), name=called)
        return await team_of(tx, actor, str(team_id))


async def list_teams(ctx: Context, actor: Actor) -> list[TeamView]:
    """The teams that the actor is in, by name.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return [_view(row) for row in await tx.execute(_teams(actor.id).order_by(User.team_name))]


async def get_team(ctx: Context, actor: Actor, key: str) -> TeamView:
    """One of them, by name or id.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await team_of(tx, actor, key)


async def rename_team(ctx: Context, actor: Actor, key: str, name: str) -> TeamView:
    """Call a team otherwise, and its address with it. For owners and admins.

    Transactions: one. Raises: NotFound, Forbidden, InvalidParams, NameTaken.
    """
    actor.require_own_token()
    called, at = checked_team_name(name), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, key, "rename it", RULING)
        if called == team.name:
            return team
        changed = update(User).where(User.id == team.id)
        try:
            async with tx.begin_nested():
                await tx.execute(changed.values(team_name=called, email=team_email(called), updated_at=at))
        except IntegrityError:
            raise NameTaken from None
        await emit(tx, "team.renamed", actor, at, team=str(team.id), before=team.name, name=called)
        return await team_of(tx, actor, str(team.id))


async def acting_for_team(ctx: Context, actor: Actor, key: str, roles: Collection[TeamRole] = PAYING) -> Actor:
    """The actor with the team's account in place of its own, for use cases about money: invoices, payment methods, budgets,
    payers. What is recorded still names the person and the token (`Actor.by`). Nothing else may be done with it: it owns what
    the team owns, whatever the person's role says.

    Raises: NotFound for whoever is not in the team; Forbidden for other roles, and for a token that is limited to some apps.
    """
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, key)
    require_role(team, "act with its money", roles)
    return replace(actor, id=team.id, email=team.email, is_operator=False, behind=actor.by)


async def team_of(tx: Tx, actor: Actor, key: str) -> TeamView:
    """The team of this name or id that the actor is in.

    Raises: NotFound, whether there is none or the actor is not in it.
    """
    row = await _FIND.first(tx, user_id=actor.id, team_id=as_uuid(key), name=key) if "\0" not in key else None
    if row is None:
        raise NotFound("team", "Couldn't find that team among those that you are in.")
    return _view(row)


async def locked_team(tx: Tx, actor: Actor, key: str, what: str, roles: Collection[TeamRole]) -> TeamView:
    """The same, for these roles, locked against every other change of the team and its members.

    Raises: NotFound, Forbidden.
    """
    team = await team_of(tx, actor, key)
    require_role(team, what, roles)
    await lock_team(tx, team.id)
    team = await team_of(tx, actor, str(team.id))  # it may have been another role when the lock was had
    require_role(team, what, roles)
    return team


async def lock_team(tx: Tx, team_id: UUID) -> None:
    """Have the others wait who change the team or its members. Who only refers to it does not."""
    await tx.execute(select(User.id).where(User.id == team_id).with_for_update(key_share=True))


async def keep_team(tx: Tx, team_id: UUID) -> None:
    """Have the team stay until the transaction ends, for what is made in it.

    Raises: NotFound if it is gone by now.
    """
    kept = select(User.id).where(User.id == team_id, User.team_ended_at.is_(None))
    if (await tx.execute(kept.with_for_update(read=True))).scalar() is None:
        raise NotFound("team")


async def keep_account(tx: Tx, actor: Actor) -> None:
    """The same for the team that the actor acts for, if it acts for one: for what that team is going to own or to pay for.

    Raises: NotFound.
    """
    if actor.behind is not None:
        await keep_team(tx, actor.id)


def require_role(team: TeamView, what: str, roles: Collection[TeamRole]) -> None:
    """Go on only for one of these roles.

    Raises: Forbidden, naming them.
    """
    if team.role not in roles:
        needed = " or ".join(role.value for role in roles)
        raise Forbidden(f"Your role in the team {team.name} is {team.role}: it takes {needed} to {what}.")


def speaks_for(actor: Actor) -> Select[UUID]:
    """The ids of the teams for which the actor may speak without saying so: those that it runs."""
    return select(TeamMember.team_id).where(TeamMember.user_id == actor.id, TeamMember.role.in_(RULING))


async def require_room(tx: Tx, user_id: UUID, who: str) -> None:
    """Go on only if somebody may be in one more team.

    Raises: Conflict.
    """
    held = select(func.count()).select_from(TeamMember).where(TeamMember.user_id == user_id)
    if (await tx.execute(held)).scalar_one() >= MOST_TEAMS:
        raise Conflict(f"{who} in {MOST_TEAMS} teams already, and nobody can be in more.")


def team_email(name: str) -> str:
    """The address of a team. The Heroku CLI knows by it that an app is a team's."""
    return f"{name}@{TEAM_DOMAIN}"


def checked_team_name(name: str) -> str:
    """The name, if a team may have it.

    Raises: InvalidParams.
    """
    if not _NAME.fullmatch(name) or as_uuid(name) or name in _RESERVED:
        raise InvalidParams(
            "name: must begin with a lower-case letter, end with a letter or digit, and have 3 to 30 lower-case letters,"
            f" digits and hyphens; {', '.join(sorted(_RESERVED))} are no names."
        )
    return name


def _teams(user_id: Any) -> Select[*tuple[Any, ...]]:
    everybody = select(func.count()).select_from(TeamMember).where(TeamMember.team_id == User.id)
    members = everybody.correlate(User).scalar_subquery()
    mine = select(User.id, User.team_name, User.email, TeamMember.role, members, User.created_at, User.updated_at)
    mine = mine.join(TeamMember, TeamMember.team_id == User.id)
    return mine.where(TeamMember.user_id == user_id, User.team_ended_at.is_(None))


def _view(row: Any) -> TeamView:
    team_id, name, email, role, members, created_at, updated_at = row
    return TeamView(team_id, name, email, TeamRole(role), members, created_at, updated_at)


_ID: Final = bindparam("team_id", type_=User.id.type)
_FIND: Final = Direct(
    _teams(bindparam("user_id", type_=User.id.type)).where(or_(User.id == _ID, User.team_name == bindparam("name")))
)
