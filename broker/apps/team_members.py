"""Who is in a team: listing, adding, changing and removing members, and leaving. What they are in it, they are to its apps at
once (`visibility.py`), and whoever watches the apps' collaborators is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Select, delete, exists, func, insert, or_, select, update

from broker.accounts.brakes import Allowance, count
from broker.accounts.models import User
from broker.accounts.proof_models import Authenticator, Passkey
from broker.accounts.team_models import TeamInvitation, TeamMember
from broker.accounts.team_roles import RULING, WORKING, TeamRole
from broker.accounts.teams import TeamView, locked_team, require_role, require_room, team_of
from broker.apps.collaborators import end_shares, has_share_of_team, live_app_ids
from broker.apps.offers import withdraw_offers_by
from broker.apps.people import Person, find_person
from broker.apps.watched import stop_unseen_webhooks
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, NotFound
from broker.notices.outbox import notify

_BY_ONE: Final = Allowance(
    "team invitations of one", 50, timedelta(hours=1), "You have asked very many people; try again in an hour."
)
_TO_ONE: Final = Allowance(
    "team invitations to one address", 5, timedelta(hours=1), "They were asked often enough; try again in an hour."
)


@dataclass(frozen=True, slots=True)
class MemberView:
    """Somebody in a team."""

    team_id: UUID
    team_name: str
    user_id: UUID
    email: str
    name: str | None
    role: TeamRole
    has_two_factor: bool
    created_at: datetime
    updated_at: datetime

    @property
    def id(self) -> UUID:
        """Made from team and user: the same for the same two."""
        return uuid5(self.team_id, str(self.user_id))


async def list_team_members(ctx: Context, actor: Actor, team_key: str) -> list[MemberView]:
    """Everybody in a team, for anybody in it, in the order in which they came.

    Raises: NotFound; Forbidden for whoever only works on an app of the team, and knows of it by that.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await members_of(tx, await _known_team(tx, actor, team_key))


async def get_team_member(ctx: Context, actor: Actor, team_key: str, key: str) -> MemberView:
    """One of them by e-mail address or id.

    Raises: NotFound, Forbidden.
    """
    return _one(await list_team_members(ctx, actor, team_key), key)


async def put_team_member(
    ctx: Context, actor: Actor, team_key: str, key: str, role: TeamRole, *, adding: bool = True
) -> MemberView:
    """Give somebody who has an account a role in a team; with `adding`, also to who is not in it yet. For owners and admins;
    only owners make owners and unmake them.

    Transactions: one. Takes a token of one's own, without limits: what is given here outlasts it.
    Raises: NotFound, Forbidden; Conflict when no owner would be left; RateLimited for who takes in very many.
    """
    actor.require_own_token()
    if adding and await _is_new(ctx, actor, team_key, key):
        await count_asking(ctx, actor, key)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, team_key, "change its members", RULING)
        found = [view for view in await members_of(tx, team) if _is(view, key)]
        if found:
            return await change_member(tx, actor, team, found[0], role, at)
        if not adding:
            raise NotFound("team_member")
        person = await find_person(tx, key, "Invite them: `broker members:invite`.")
        require_power(team, role)
        await add_member(tx, actor, team, person, role, at)
        facts = {"team": team.name, "role": role.value, "by": actor.by.email}
        await notify(tx, person.id, "team.added", facts, at)
        return _one(await members_of(tx, team), str(person.id))


async def remove_team_member(ctx: Context, actor: Actor, team_key: str, key: str) -> MemberView:
    """End a membership, and with it all access to the team's apps; how it was. Members may remove themselves: they leave.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden; Conflict for the last owner.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, team_key, "leave it", tuple(TeamRole))
        gone = _one(await members_of(tx, team), key)
        if gone.user_id != actor.by.id:
            require_role(team, "remove somebody else from it", RULING)
            require_power(team, gone.role)
        await _end_membership(tx, actor, team, gone, at)
        if gone.user_id != actor.by.id:
            await notify(tx, gone.user_id, "team.removed", {"team": team.name, "by": actor.by.email}, at)
        return gone


async def members_of(tx: Tx, team: TeamView) -> list[MemberView]:
    """The same for a use case that has checked who asks."""
    rows = await tx.execute(_MEMBERS.where(TeamMember.team_id == team.id))
    return [MemberView(team.id, team.name, row[0], row[1], row[2], TeamRole(row[3]), *row[4:]) for row in rows]


async def add_member(tx: Tx, actor: Actor, team: TeamView, person: Person, role: TeamRole, at: datetime) -> None:
    """Take somebody into a team who is not in it. The team is locked.

    Raises: Conflict for whoever is in very many.
    """
    await require_room(tx, person.id, f"{person.email} is")
    row = {"team_id": team.id, "user_id": person.id, "role": role, "created_by": actor.by.id}
    await tx.execute(insert(TeamMember).values(**row, created_at=at, updated_at=at))
    await emit(tx, "team.member_added", actor, at, **_facts(team, person, role))
    if role in WORKING:
        await _tell_apps(tx, actor, team, person, at, joins=True)


def require_power(team: TeamView, *roles: TeamRole) -> None:
    """Go on only for who may give and take these roles: owners are made and unmade by owners.

    Raises: Forbidden.
    """
    if TeamRole.OWNER in roles and team.role is not TeamRole.OWNER:
        raise Forbidden(f"Your role in the team {team.name} is {team.role}: only owners make owners and unmake them.")


async def count_asking(ctx: Context, actor: Actor, whom: str) -> None:
    """Count that somebody is asked into a team, or taken in, and gets a mail of it: nobody's mailbox is filled by that.

    Raises: RateLimited.
    """
    await count(ctx, _BY_ONE, str(actor.by.id))
    await count(ctx, _TO_ONE, whom)


async def _is_new(ctx: Context, actor: Actor, team_key: str, key: str) -> bool:
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, team_key)
        require_role(team, "change its members", RULING)
        return not any(_is(view, key) for view in await members_of(tx, team))


async def _known_team(tx: Tx, actor: Actor, key: str) -> TeamView:
    """The team that the actor is in.

    Raises: NotFound; Forbidden where an app says that there is such a team, for clients that ask on behalf of collaborators.
    """
    try:
        return await team_of(tx, actor, key)
    except NotFound:
        if "\0" in key or not await has_share_of_team(tx, actor.id, key):
            raise
        raise Forbidden(f"Who is in the team {key}, it tells only those who are.") from None


async def change_member(
    tx: Tx, actor: Actor, team: TeamView, member: MemberView, role: TeamRole, at: datetime
) -> MemberView:
    """Give somebody in a team another role. The team is locked, and its view says what who asks may do.

    Raises: Forbidden; Conflict when no owner would be left.
    """
    if role is member.role:
        return member
    require_power(team, role, member.role)
    await _keep_an_owner(tx, member, role)
    named = (TeamMember.team_id == team.id, TeamMember.user_id == member.user_id)
    await tx.execute(update(TeamMember).where(*named).values(role=role, updated_at=at))
    person = Person(member.user_id, member.email)
    if role not in WORKING:
        await stop_unseen_webhooks(tx, actor, member.user_id, at)
    await emit(tx, "team.member_changed", actor, at, **_facts(team, person, role))
    if (role in WORKING) != (member.role in WORKING):
        await _tell_apps(tx, actor, team, person, at, joins=role in WORKING)
    if role is not TeamRole.OWNER:
        await _void_what_was_asked(tx, team, member, role, at)
    return _one(await members_of(tx, team), str(member.user_id))


async def _end_membership(tx: Tx, actor: Actor, team: TeamView, gone: MemberView, at: datetime) -> None:
    await _keep_an_owner(tx, gone, None)
    person = Person(gone.user_id, gone.email)
    singly = await end_shares(tx, team.id, gone.user_id)
    named = (TeamMember.team_id == team.id, TeamMember.user_id == gone.user_id)
    await tx.execute(delete(TeamMember).where(*named))
    await _void_what_was_asked(tx, team, gone, None, at)
    await stop_unseen_webhooks(tx, actor, gone.user_id, at)
    await emit(tx, "team.member_removed", actor, at, **_facts(team, person, gone.role))
    await _tell_apps(tx, actor, team, person, at, joins=False, only=None if gone.role in WORKING else singly)


async def _keep_an_owner(tx: Tx, member: MemberView, role: TeamRole | None) -> None:
    """The team is locked: nobody else ceases to be an owner at the same moment."""
    if member.role is not TeamRole.OWNER or role is TeamRole.OWNER:
        return
    others = select(func.count()).select_from(TeamMember).join(User, User.id == TeamMember.user_id)
    others = others.where(TeamMember.team_id == member.team_id, TeamMember.role == TeamRole.OWNER)
    others = others.where(User.locked_at.is_(None))  # one who is locked out runs nothing
    if (await tx.execute(others.where(TeamMember.user_id != member.user_id))).scalar_one() == 0:
        raise Conflict(
            f"{member.email} is the last owner of the team {member.team_name}: make somebody else one first."
        )


async def _void_what_was_asked(tx: Tx, team: TeamView, member: MemberView, role: TeamRole | None, at: datetime) -> None:
    """What somebody has asked and offered others, and could not in the role of from now on. Admins make no owners; nor do those
    whom an owner has asked who is an admin now.
    """
    asked = (TeamInvitation.team_id == team.id, TeamInvitation.invited_by == member.user_id)
    void = update(TeamInvitation).where(*asked, TeamInvitation.state == "pending")
    if role in RULING:
        void = void.where(TeamInvitation.role == TeamRole.OWNER)
    else:
        await withdraw_offers_by(tx, team.id, member.user_id, at)
    await tx.execute(void.values(state="revoked", updated_at=at))


def _facts(team: TeamView, person: Person, role: TeamRole) -> dict[str, Any]:
    who = {"user_id": str(person.id), "email": person.email, "role": role.value}
    return {"team": str(team.id), "name": team.name, **who}


async def _tell_apps(
    tx: Tx,
    actor: Actor,
    team: TeamView,
    person: Person,
    at: datetime,
    *,
    joins: bool,
    only: Iterable[UUID] | None = None,
) -> None:
    """Tell whoever watches the collaborators of the team's apps that somebody works on them from now on, or no longer."""
    who: dict[str, Any] = {"user_id": str(person.id), "email": person.email}
    for app_id in await live_app_ids(tx, team.id) if only is None else only:
        if joins:
            await emit(tx, "collaborator.added", actor, at, app_id=app_id, **who)
        else:
            await emit(tx, "collaborator.removed", actor, at, app_id=app_id, **who)


_HAS_FACTOR: Final = or_(
    exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None)),
    exists().where(Passkey.user_id == User.id),
)
_MEMBERS: Final[Select[*tuple[Any, ...]]] = (
    select(
        User.id, User.email, User.name, TeamMember.role, _HAS_FACTOR, TeamMember.created_at, TeamMember.updated_at
    )
    .join(User, User.id == TeamMember.user_id)
    .order_by(TeamMember.created_at, TeamMember.user_id)
)  # fmt: skip


def _is(view: MemberView, key: str) -> bool:
    wanted = key.casefold()
    return wanted in (view.email.casefold(), str(view.user_id), str(view.id))


def _one(members: Iterable[MemberView], key: str) -> MemberView:
    for view in members:
        if _is(view, key):
            return view
    raise NotFound("team_member", "There is no such member of this team.")
