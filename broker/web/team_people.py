"""Who is in a team: inviting and adding people, giving them other roles, removing them, leaving."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.accounts.team_roles import checked_team_role
from broker.accounts.teams import get_team
from broker.apps.team_invitations import invite_to_team, revoke_invitation
from broker.apps.team_members import get_team_member, put_team_member, remove_team_member
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import onward, shown, taken
from broker.web.browser import Form
from broker.web.team_home import taken_by_team
from broker.web.team_pages import TEAMS, team_address, team_page

router = APIRouter(include_in_schema=False)
_PEOPLE: Final = TEAMS + "/{team}/people"
_PERSON: Final = _PEOPLE + "/{person}"


@router.post(_PEOPLE)
async def bring(request: Request, team: str) -> Response:
    """Invite somebody by mail; or add whoever has an account, at once."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        email, role = sent.one("email").strip(), checked_team_role(sent.one("role"))
        if sent.one("how") == "add":
            await put_team_member(ctx, seen.actor, team, email, role)
            return "member"
        await invite_to_team(ctx, seen.actor, team, email, role)
        return "invited"

    return await taken_by_team(request, team, deed)


@router.post(_PERSON + "/role")
async def change(request: Request, team: str, person: str) -> Response:
    """Give somebody another role."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await put_team_member(ctx, seen.actor, team, person, checked_team_role(sent.one("role")), adding=False)
        return "role"

    return await taken_by_team(request, team, deed)


@router.get(_PERSON + "/remove")
async def asked(request: Request, team: str, person: str) -> Response:
    """What somebody loses with the team."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, team, person, fault)

    return await shown(request, show)


@router.post(_PERSON + "/remove")
async def remove(request: Request, team: str, person: str) -> Response:
    """Remove somebody; or leave."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        gone = await remove_team_member(ctx, seen.actor, team, person)
        if gone.user_id == seen.actor.id:
            return onward(TEAMS, "left")
        return onward(team_address(gone.team_name), "gone")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, team, person, fault)

    return await taken(request, deed, show, team_address(team, "people", person, "remove"))


@router.post(TEAMS + "/{team}/invited/{team_invitation}/revoke")
async def revoke(request: Request, team: str, team_invitation: str) -> Response:
    """Take an invitation back."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await revoke_invitation(ctx, seen.actor, team, team_invitation)
        return "withdrawn"

    return await taken_by_team(request, team, deed)


async def _question(request: Request, seen: SignedIn, key: str, person: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    team = await get_team(ctx, seen.actor, key)
    member = await get_team_member(ctx, seen.actor, key, person)
    return team_page(request, "team_remove.html", seen, team, fault, member=member)
