"""Helping a team that nobody can run any more, because the accounts of all its owners are locked. For operators."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select

from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import TeamView, lock_team
from broker.apps.people import find_person
from broker.apps.team_members import MemberView, add_member, change_member, members_of
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.ids import as_uuid
from broker.notices.outbox import notify


async def appoint_owner(ctx: Context, actor: Actor, team_key: str, key: str) -> MemberView:
    """Make somebody an owner of a team all of whose owners are locked out; who need not have been in it.

    Transactions: one of its own.
    Raises: NotFound, also for everybody but operators; Conflict while there is an owner who can be asked; AccountLocked.
    """
    actor.require_operator()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await _team(tx, team_key)
        await lock_team(tx, team.id)
        if (able := await _able_owner(tx, team.id)) is not None:
            raise Conflict(f"The team {team.name} has an owner who can be asked: {able}.")
        person = await find_person(tx, key, "Invite them first: `broker accounts:invite`.")
        await require_unlocked(tx, ctx, person.id)
        known = [view for view in await members_of(tx, team) if view.user_id == person.id]
        if known:
            await change_member(tx, actor, team, known[0], TeamRole.OWNER, at)
        else:
            await add_member(tx, actor, team, person, TeamRole.OWNER, at)
        await emit(tx, "team.owner_appointed", actor, at, team=str(team.id), name=team.name, email=person.email)
        facts = {"team": team.name, "role": TeamRole.OWNER.value, "by": actor.email}
        await notify(tx, person.id, "team.added", facts, at)
        return next(view for view in await members_of(tx, team) if view.user_id == person.id)


async def _team(tx: Tx, key: str) -> TeamView:
    """The team of this name or id, as an owner would see it.

    Raises: NotFound.
    """
    columns = (User.id, User.team_name, User.email, User.created_at, User.updated_at)
    named = or_(User.id == as_uuid(key), User.team_name == key)
    wanted = select(*columns).where(named, User.team_name.is_not(None), User.team_ended_at.is_(None))
    row = (await tx.execute(wanted)).one_or_none() if "\0" not in key else None
    if row is None:
        raise NotFound("team", "There is no such team.")
    return TeamView(row.id, str(row.team_name), row.email, TeamRole.OWNER, 0, row.created_at, row.updated_at)


async def _able_owner(tx: Tx, team_id: UUID) -> str | None:
    owners = select(User.email).join(TeamMember, TeamMember.user_id == User.id)
    owners = owners.where(TeamMember.team_id == team_id, TeamMember.role == TeamRole.OWNER, User.locked_at.is_(None))
    return (await tx.execute(owners.order_by(TeamMember.created_at).limit(1))).scalar_one_or_none()
