"""Teams, and what there is of them as a whole.

Source: the teams of the public Platform API.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from broker.accounts import teams
from broker.accounts.teams import TeamView
from broker.addons.teams import AppUsage, end_team, team_addons, team_usage
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.serialize import named
from broker.kernel.clock import rfc3339
from broker.kernel.context import Scope
from broker.kernel.errors import NotFound
from broker.platform_api import costs, serialize, shapes, team_shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["teams"], responses=REFUSED)

_SINCE: Final = "2026-01-01T00:00:00Z"
_INVITING: Final = "team-invite-acceptance"
"""That people are asked into teams, and accept: the Heroku CLI looks for it by this name."""

PERMISSIONS: Final[tuple[team_shapes.TeamPermission, ...]] = (
    {"name": "deploy", "description": "Release the app"},
    {"name": "manage", "description": "Add, change and remove add-ons"},
    {"name": "operate", "description": "Set config vars, roll back"},
    {"name": "view", "description": "See the app"},
)
"""In the words of the public API: here all of them come together, to whoever works on an app."""


class TeamBody(Body):
    """What a team is called."""

    name: Text


def team_shape(view: TeamView) -> team_shapes.Team:
    """A team in the shape of this face."""
    return {
        "id": str(view.id),
        "name": view.name,
        "email": view.email,
        "role": view.role.value,
        "members": view.members,
        "type": "team",
        "default": False,
        "credit_card_collections": True,
        "provisioned_licenses": False,
        "membership_limit": None,
        "enterprise_account": None,
        "identity_provider": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


@router.get("/teams", responses=gives(shapes.Team, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The teams that the account is in."""
    return page(request, [team_shape(view) for view in await teams.list_teams(face_of(request).ctx, actor)])


@router.post("/teams", status_code=201, openapi_extra=takes(TeamBody, required=True), responses=gives(shapes.Team, 201))
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Make a team, whose owner one is."""
    body = await read(request, TeamBody)
    return Answer(team_shape(await teams.create_team(face_of(request).ctx, actor, body.name)), 201)


@router.get("/teams/permissions", responses=gives(shapes.TeamPermission, many=True))
async def permissions(actor: CurrentActor) -> Answer:
    """What those may do who work on a team's app."""
    actor.require(Scope.IDENTITY)
    return Answer(list(PERMISSIONS))


@router.get("/teams/{team}", responses=gives(shapes.Team))
async def info(request: Request, actor: CurrentActor, team: str) -> Answer:
    """One team by name or id."""
    return Answer(team_shape(await teams.get_team(face_of(request).ctx, actor, team)))


@router.patch("/teams/{team}", openapi_extra=takes(TeamBody, required=True), responses=gives(shapes.Team))
async def rename(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Call it otherwise. For owners and admins."""
    body = await read(request, TeamBody)
    return Answer(team_shape(await teams.rename_team(face_of(request).ctx, actor, team, body.name)))


@router.delete("/teams/{team}", responses=gives(shapes.Team))
async def end(request: Request, actor: CurrentActor, team: str) -> Answer:
    """End a team that owns nothing and owes nothing. For owners."""
    return Answer(team_shape(await end_team(face_of(request).ctx, actor, team)))


@router.get("/teams/{team}/features", responses=gives(shapes.TeamFeature, many=True))
async def features(request: Request, actor: CurrentActor, team: str) -> Answer:
    """What clients ask about before they do it."""
    await teams.get_team(face_of(request).ctx, actor, team)
    return Answer([_feature()])


@router.get("/teams/{team}/features/{feature}", responses=gives(shapes.TeamFeature))
async def feature(request: Request, actor: CurrentActor, team: str, feature: str) -> Answer:
    """One of them."""
    await teams.get_team(face_of(request).ctx, actor, team)
    if feature not in (_INVITING, named(_INVITING)["id"]):
        raise NotFound("feature")
    return Answer(_feature())


@router.get("/teams/{team}/addons", responses=gives(shapes.Addon, many=True))
async def addons(request: Request, actor: CurrentActor, team: str) -> Answer:
    """The add-ons that are billed to its apps."""
    face = face_of(request)
    seer = serialize.seer(face, actor)
    return page(request, [serialize.addon(view, seer) for view in await team_addons(face.ctx, actor, team)])


@router.get("/teams/{team}/usage", responses=gives(shapes.TeamUsage))
async def usage(request: Request, actor: CurrentActor, team: str) -> Answer:
    """What the metered add-ons of its apps used this month."""
    ctx = face_of(request).ctx
    found = [_usage(each) for each in await team_usage(ctx, actor, team)]
    view = await teams.get_team(ctx, actor, team)
    return Answer({"id": str(view.id), "name": view.name, "apps": found})


def _usage(found: AppUsage) -> shapes.TeamAppUsage:
    used = [costs.usage(addon) for addon in found.addons]
    return {"id": str(found.app.id), "name": found.app.name, "addons": used}


def _feature() -> team_shapes.TeamFeature:
    return {
        **named(_INVITING),
        "display_name": "Invitations",
        "description": "People are asked into the team by mail, and accept.",
        "doc_url": "",
        "feedback_email": "",
        "enabled": True,
        "state": "general",
        "created_at": _SINCE,
        "updated_at": _SINCE,
    }
