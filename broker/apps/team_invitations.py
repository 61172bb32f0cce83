"""Asking somebody into a team by e-mail address, and what comes of that. It takes an account to answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update

from broker.accounts.emails import checked_email
from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.accounts.sign_up import ask_to_sign_up
from broker.accounts.team_models import TeamInvitation, TeamMember
from broker.accounts.team_roles import RULING, TeamRole
from broker.accounts.teams import TeamView, lock_team, locked_team, require_role, team_of
from broker.accounts.tokens import token_hash
from broker.apps.people import Person
from broker.apps.team_members import add_member, count_asking, members_of, require_power
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret
from broker.notices.outbox import notify, send_secrets

GOOD_FOR: Final = timedelta(days=7)


class InvitationState(StrEnum):
    """What became of an invitation. `revoked`: somebody of the team took it back, or whoever asked may not ask any more."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class InvitationView:
    """Somebody who was asked into a team."""

    id: UUID
    team_id: UUID
    team_name: str
    email: str
    role: TeamRole
    state: InvitationState
    invited_by: UUID
    invited_by_email: str
    expires_at: datetime
    created_at: datetime
    updated_at: datetime


async def invite_to_team(ctx: Context, actor: Actor, team_key: str, email: str, role: TeamRole) -> InvitationView:
    """Ask whoever reads the mail of an address into a team. Asking again sends another mail, and voids the earlier one. For
    owners and admins; only owners ask owners.

    Transactions: one. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden, InvalidParams, RateLimited; Conflict for whoever is in the team.
    """
    actor.require_own_token()
    address, at = checked_email(email), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        require_role(await team_of(tx, actor, team_key), "invite people to it", RULING)
    await count_asking(ctx, actor, address)
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, team_key, "invite people to it", RULING)
        require_power(team, role)
        if any(member.email.lower() == address.lower() for member in await members_of(tx, team)):
            raise Conflict(f"{address} is in the team {team.name} already: `broker members:set` changes the role.")
        await _revoke_earlier(tx, team, address, at)
        view = await _insert(ctx, tx, actor, team, address, role, at)
        await emit(tx, "team.invited", actor, at, team=str(team.id), name=team.name, email=address, role=role.value)
        return view


async def list_team_invitations(ctx: Context, actor: Actor, team_key: str) -> list[InvitationView]:
    """The invitations that wait for an answer, newest first, for anybody in the team.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, team_key)
        return await _find(tx, (TeamInvitation.team_id == team.id) & _open(ctx.clock.now()))


async def list_own_invitations(ctx: Context, actor: Actor) -> list[InvitationView]:
    """The teams that the actor's address was asked into and that wait for an answer, newest first.

    Raises: Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _find(tx, _addressed_to(actor) & _open(ctx.clock.now()))


async def invitation_by_token(ctx: Context, token: Secret) -> InvitationView:
    """Which invitation a mail's link is about, for whoever holds it, signed in or not. Does not answer it.

    Raises: InvalidParams if it is answered, taken back, too old, or none of ours.
    """
    async with ctx.database.transaction() as tx:
        return await _by_token(tx, token, ctx.clock.now())


async def ask_for_account(ctx: Context, token: Secret) -> str:
    """Send whoever was invited a link to make an account with: to the address that was invited, which is given back, and to no
    other. That somebody holds the invitation is not enough: it may have been handed on.

    Raises: InvalidParams for the invitation; RateLimited, Paused.
    """
    address = (await invitation_by_token(ctx, token)).email
    await ask_to_sign_up(ctx, address)
    return address


async def accept_invitation(
    ctx: Context, actor: Actor, *, token: Secret | None = None, key: str = ""
) -> InvitationView:
    """Come into the team: with the token of the mail, from whatever account; or by the invitation's id or the team's name, if
    the actor's own address was asked. Who is in it already keeps the role.

    Transactions: one, with the team locked. Takes a token of one's own, without limits.
    Raises: NotFound, InvalidParams, Forbidden, AccountLocked; Conflict for who is in very many.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _meant(tx, actor, token, key, at)
        await lock_team(tx, view.team_id)
        await require_unlocked(tx, ctx, actor.by.id)
        await _decide(tx, view, InvitationState.ACCEPTED, at, actor.by.id)
        team = await _as_inviter(tx, view)
        inside = {member.user_id for member in await members_of(tx, team)}
        if actor.by.id not in inside:
            await add_member(tx, actor, team, Person(actor.by.id, actor.by.email), view.role, at)
        facts = {"team": view.team_name, "email": actor.by.email, "role": view.role.value}
        await notify(tx, view.invited_by, "team.joined", facts, at)
        return await _one(tx, view.id)


async def decline_invitation(
    ctx: Context, actor: Actor, *, token: Secret | None = None, key: str = ""
) -> InvitationView:
    """Say no. Transactions: one. Raises: NotFound, InvalidParams, Forbidden."""
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        view = await _meant(tx, actor, token, key, at)
        await _decide(tx, view, InvitationState.DECLINED, at, actor.by.id)
        await emit(tx, "team.invitation_declined", actor, at, team=str(view.team_id), email=view.email)
        return await _one(tx, view.id)


async def revoke_invitation(ctx: Context, actor: Actor, team_key: str, key: str) -> InvitationView:
    """Take an invitation back, by its id or address. For owners and admins.

    Transactions: one. Raises: NotFound, Forbidden; InvalidParams if it was answered.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, team_key, "take invitations back", RULING)
        mine = (TeamInvitation.team_id == team.id) & _open(at)
        found = [view for view in await _find(tx, mine) if key.lower() in (str(view.id), view.email.lower())]
        if not found:
            raise NotFound("team_invitation", "Nobody was invited under that address or id, or it was answered.")
        await _decide(tx, found[0], InvitationState.REVOKED, at, None)
        await emit(tx, "team.invitation_revoked", actor, at, team=str(team.id), email=found[0].email)
        return await _one(tx, found[0].id)


async def _insert(
    ctx: Context, tx: Tx, actor: Actor, team: TeamView, address: str, role: TeamRole, at: datetime
) -> InvitationView:
    token, until = Secret(secrets.token_urlsafe(32)), at + GOOD_FOR
    row: dict[str, Any] = {
        "id": new_id(),
        "team_id": team.id,
        "email": address,
        "role": role,
        "state": InvitationState.PENDING,
        "token_hash": token_hash(token.reveal()),
        "invited_by": actor.by.id,
        "invited_by_email": actor.by.email,
        "expires_at": until,
        "created_at": at,
        "updated_at": at,
    }
    await tx.execute(insert(TeamInvitation).values(row))
    facts = {"email": address, "team": team.name, "role": role.value, "inviter": actor.by.email}
    await send_secrets(tx, ctx.vault, address, "team.invited", facts, {"token": token}, at, until)
    return await _one(tx, row["id"])


async def _revoke_earlier(tx: Tx, team: TeamView, address: str, at: datetime) -> None:
    """The team is locked: nobody asks the same address at the same moment."""
    same = (TeamInvitation.team_id == team.id, func.lower(TeamInvitation.email) == address.lower())
    earlier = update(TeamInvitation).where(*same, TeamInvitation.state == InvitationState.PENDING)
    await tx.execute(earlier.values(state=InvitationState.REVOKED, updated_at=at))


async def _meant(tx: Tx, actor: Actor, token: Secret | None, key: str, at: datetime) -> InvitationView:
    if token is not None:
        return await _by_token(tx, token, at)
    invitation_id = as_uuid(key)
    named = TeamInvitation.id == invitation_id if invitation_id else User.team_name == key
    found = await _find(tx, _addressed_to(actor) & _open(at) & named) if "\0" not in key else []
    if not found:
        raise NotFound(
            "team_invitation", "You are not invited there, or not any more. `broker members:invitations` lists."
        )
    return found[0]


async def _by_token(tx: Tx, token: Secret, at: datetime) -> InvitationView:
    found = await _find(tx, (TeamInvitation.token_hash == token_hash(token.reveal())) & _open(at))
    if not found:
        raise InvalidParams("This invitation was answered or taken back, or it is too old. Ask for a new one.")
    return found[0]


async def _as_inviter(tx: Tx, view: InvitationView) -> TeamView:
    """The locked team, as whoever has invited sees it, who is still one that may."""
    role = select(TeamMember.role).where(TeamMember.team_id == view.team_id, TeamMember.user_id == view.invited_by)
    held = (await tx.execute(role)).scalar_one()
    email = (await tx.execute(select(User.email).where(User.id == view.team_id))).scalar_one()
    return TeamView(view.team_id, view.team_name, email, TeamRole(held), 0, view.created_at, view.updated_at)


async def _decide(tx: Tx, view: InvitationView, state: InvitationState, at: datetime, user_id: UUID | None) -> None:
    pending = (TeamInvitation.id == view.id, TeamInvitation.state == InvitationState.PENDING)
    decided = update(TeamInvitation).where(*pending).values(state=state, user_id=user_id, updated_at=at)
    if (await tx.execute(decided)).rowcount != 1:
        raise InvalidParams("This invitation was answered or taken back at the same moment.")


def _open(at: datetime) -> ColumnElement[bool]:
    pending = TeamInvitation.state == InvitationState.PENDING
    return pending & (TeamInvitation.expires_at > at) & User.team_ended_at.is_(None)


def _addressed_to(actor: Actor) -> ColumnElement[bool]:
    return func.lower(TeamInvitation.email) == actor.by.email.lower()


async def _one(tx: Tx, invitation_id: UUID) -> InvitationView:
    (view,) = await _find(tx, TeamInvitation.id == invitation_id)
    return view


async def _find(tx: Tx, condition: ColumnElement[bool]) -> list[InvitationView]:
    columns: tuple[Any, ...] = (
        TeamInvitation.id, TeamInvitation.team_id, User.team_name, TeamInvitation.email, TeamInvitation.role,
        TeamInvitation.state, TeamInvitation.invited_by, TeamInvitation.invited_by_email, TeamInvitation.expires_at,
        TeamInvitation.created_at, TeamInvitation.updated_at,
    )  # fmt: skip
    wanted = select(*columns).join(User, User.id == TeamInvitation.team_id).where(condition)
    rows = await tx.execute(wanted.order_by(TeamInvitation.created_at.desc(), TeamInvitation.id))
    return [
        InvitationView(**row._asdict() | {"role": TeamRole(row.role), "state": InvitationState(row.state)})
        for row in rows
    ]
