"""What all pages of teams share: their addresses, and what their roles are called and allow, in the words of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response

from broker.accounts.team_roles import PAYING, RULING, WORKING, TeamRole
from broker.accounts.teams import TeamView, list_teams
from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import said
from broker.web.inside import account_page

TEAMS: Final = "/teams"
ROLE_WORDS: Final = {
    TeamRole.OWNER: "do everything, and make other owners",
    TeamRole.ADMIN: "run members, apps and money",
    TeamRole.MEMBER: "work on every app, and make new ones",
    TeamRole.VIEWER: "see the apps and the names of their config vars, and change nothing",
    TeamRole.BILLING: "run the money, and see the apps without changing them",
}
"""What one may in a role."""
WITH_TEAM: Final = ("open", "teams")
"""Where whoever is invited to a team may make an account because of it."""


def team_address(team: str, *rest: str) -> str:
    """The page of a team, or of a part of it."""
    return "/".join([TEAMS, *(quote(part, safe="") for part in (team, *rest))])


def roles_given_by(team: TeamView) -> Sequence[TeamRole]:
    """What whoever has looked the team up may make others."""
    return [role for role in TeamRole if role is not TeamRole.OWNER or team.role is TeamRole.OWNER]


async def teams_to_work_in(ctx: Context, actor: Actor) -> list[TeamView]:
    """The teams in which the actor may make apps, and bring some."""
    return [team for team in await list_teams(ctx, actor) if team.role in WORKING]


def team_page(
    request: Request,
    template: str,
    seen: SignedIn,
    team: TeamView,
    fault: BrokerError | None = None,
    **values: Any,
) -> Response:
    """A page of a team that is not about its money."""
    named: dict[str, Any] = {
        "here": team_address(team.name),
        "flash": said(request, fault),
        "fault": fault,
        "team": team,
        "rules": team.role in RULING,
        "works": team.role in WORKING,
        "pays": team.role in PAYING,
        "may": ROLE_WORDS[team.role],
        "may_sign_up": request.app.state.sign_up in WITH_TEAM,
        **values,
    }
    return account_page(request, template, seen, status_of(type(fault)) if fault else 200, **named)
