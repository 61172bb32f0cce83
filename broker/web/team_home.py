"""Teams: those that one is in, a new one; one of them with its apps and people; its name, and its end."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team, get_team, list_teams, rename_team
from broker.addons.estimates import monthly_estimate
from broker.addons.teams import end_team, team_addons, what_keeps_team
from broker.apps.team_apps import list_team_apps
from broker.apps.team_invitations import InvitationView, list_own_invitations, list_team_invitations
from broker.apps.team_members import list_team_members
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import Deed, onward, said, shown, taken
from broker.web.browser import Form
from broker.web.door import ForBrowsers
from broker.web.inside import account_page
from broker.web.moments import day
from broker.web.team_pages import ROLE_WORDS, TEAMS, roles_given_by, team_address, team_page

router = APIRouter(include_in_schema=False)
_ONE: Final = TEAMS + "/{team}"
_END: Final = _ONE + "/end"


async def overview(request: Request) -> Response:
    """The teams that one is in, and those that one is asked into."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await all_teams(request, seen, fault, sent)

    return await shown(request, show)


async def info(request: Request) -> Response:
    """One team: its apps, who is in it, who was asked."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await one_team(request, seen, request.path_params["team"], fault, sent)

    return await shown(request, show)


TWINS: Final = tuple(
    ForBrowsers(path, endpoint, methods=["GET"], include_in_schema=False)
    for path, endpoint in ((TEAMS, overview), (_ONE, info))
)
"""These addresses are the API's, too."""


@router.post(f"{TEAMS}/new")
async def create(request: Request) -> Response:
    """Make a team."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        made = await create_team(ctx, seen.actor, sent.one("name").strip())
        return onward(team_address(made.name), "team")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await all_teams(request, seen, fault, sent)

    return await taken(request, deed, show, TEAMS)


@router.post(f"{_ONE}/rename")
async def rename(request: Request, team: str) -> Response:
    """Call it something else."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await rename_team(ctx, seen.actor, team, sent.one("name").strip())
        return onward(team_address(view.name), "renamed")

    return await taken_by_team(request, team, deed)


@router.get(_END)
async def asked(request: Request, team: str) -> Response:
    """What ending it means, and what is in the way."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, team, fault)

    return await shown(request, show)


@router.post(_END)
async def end(request: Request, team: str) -> Response:
    """End it, if its name was typed and nothing is in the way."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await get_team(ctx, seen.actor, team)
        if sent.one("confirm").strip() != view.name:
            raise InvalidParams(f"Type {view.name} to confirm: nobody can bring the team back.")
        await end_team(ctx, seen.actor, str(view.id))
        return onward(TEAMS, "teamended")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, team, fault)

    return await taken(request, deed, show, team_address(team, "end"))


async def taken_by_team(request: Request, team: str, deed: Deed) -> Response:
    """Take a form of the page of a team."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await one_team(request, seen, team, fault, sent)

    return await taken(request, deed, show, team_address(team))


async def all_teams(request: Request, seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
    """The page of all teams."""
    ctx: Context = request.app.state.ctx
    return account_page(
        request,
        "teams.html",
        seen,
        status_of(type(fault)) if fault else 200,
        here=TEAMS,
        flash=said(request, fault),
        fault=fault,
        teams=await list_teams(ctx, seen.actor),
        invited=[_invitation(each) for each in await list_own_invitations(ctx, seen.actor)],
        words=ROLE_WORDS,
        name=sent.one("name") if sent else None,
    )


async def one_team(
    request: Request, seen: SignedIn, key: str, fault: BrokerError | None = None, sent: Form | None = None
) -> Response:
    """The page of a team."""
    ctx: Context = request.app.state.ctx
    team = await get_team(ctx, seen.actor, key)
    addons = await team_addons(ctx, seen.actor, key)
    return team_page(
        request,
        "team.html",
        seen,
        team,
        fault,
        apps=[
            {
                "view": app,
                "addons": sum(addon.app_id == app.id for addon in addons),
                "estimate": monthly_estimate(addons, app.id),
            }
            for app in await list_team_apps(ctx, seen.actor, key)
        ],
        members=await list_team_members(ctx, seen.actor, key),
        invited=[_invitation(each) for each in await list_team_invitations(ctx, seen.actor, key)],
        words=ROLE_WORDS,
        roles=roles_given_by(team),
        sent={"email": sent.one("email") if sent else "", "role": sent.one("role") if sent else TeamRole.MEMBER},
        name=sent.one("name") if sent else "",
    )


def _invitation(view: InvitationView) -> dict[str, Any]:
    return {"of": view, "asked": day(view.created_at), "until": day(view.expires_at)}


async def _question(request: Request, seen: SignedIn, key: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    team = await get_team(ctx, seen.actor, key)
    return team_page(
        request,
        "team_end.html",
        seen,
        team,
        fault,
        obstacle=await what_keeps_team(ctx, seen.actor, key),
        apps=await list_team_apps(ctx, seen.actor, key),
    )
