"""Apps of teams: listing and making them, giving apps to teams, and with whom they are shared.

Source: the team apps and team app collaborators of the public Platform API.
"""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.costs import app_usage
from broker.addons.teams import give_app_away
from broker.apps import collaborators, queries
from broker.apps.collaborators import CollaboratorView
from broker.apps.resolve import AppView
from broker.apps.team_apps import list_team_apps
from broker.faces import shapes as common
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.errors import InvalidParams, NotFound
from broker.platform_api import apps, costs, serialize, shapes, team_shapes
from broker.platform_api.bodies import Named, Text, Truth
from broker.platform_api.collaborators import Person
from broker.platform_api.deps import Body, CurrentActor, Face, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.teams import PERMISSIONS

router = APIRouter(tags=["teams"], responses=REFUSED)


class GiveAppBody(Body):
    """To whom the app is given: a team, or the account itself. Apps can't be locked here: only `false` is taken for `locked`."""

    owner: Named | None = None
    locked: Truth | None = None


class ShareBody(Body):
    """With whom to share. Who works on an app has every permission, so the list changes nothing."""

    user: Person
    permissions: list[Text] | None = None
    silent: Truth | None = None


def _app(face: Face, view: AppView) -> common.App:
    return serialize.app(view, face.public_url)


def _collaborator(view: CollaboratorView) -> team_shapes.TeamCollaborator:
    shape = serialize.collaborator(view)
    user: common.UserRef = {"id": shape["user"]["id"], "email": shape["user"]["email"]}
    works = view.role not in ("viewer", "billing")
    return {**shape, "user": user, "permissions": [each for each in PERMISSIONS if works or each["name"] == "view"]}


@router.get("/teams/{team}/apps", responses=gives(shapes.App, many=True))
async def list_(request: Request, actor: CurrentActor, team: str) -> Answer:
    """The apps of a team."""
    face = face_of(request)
    return page(request, [_app(face, view) for view in await list_team_apps(face.ctx, actor, team)])


@router.get("/teams/{team}/apps/{app}/usage", responses=gives(shapes.Usage))
async def usage(request: Request, actor: CurrentActor, team: str, app: str) -> Answer:
    """What the metered add-ons billed to an app of the team used this month."""
    ctx = face_of(request).ctx
    if not any(app in (view.name, str(view.id)) for view in await list_team_apps(ctx, actor, team)):
        raise NotFound("app")
    return Answer({"addons": [costs.usage(addon) for addon in await app_usage(ctx, actor, app)]})


@router.get("/teams/apps", responses=gives(shapes.App, many=True))
async def list_of_all(request: Request, actor: CurrentActor) -> Answer:
    """The apps of all teams that the account sees."""
    face = face_of(request)
    views = [view for view in await queries.list_apps(face.ctx, actor) if view.team_name is not None]
    return page(request, [_app(face, view) for view in views])


@router.post(
    "/teams/apps",
    status_code=201,
    openapi_extra=takes(apps.CreateAppBody, repeatable=True),
    responses=gives(shapes.App, 201),
)
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Make an app that belongs to the team which is named. Everybody can who works in it."""
    return await apps.create(request, actor)


@router.get("/teams/apps/{app}", responses=gives(shapes.App))
async def info(request: Request, actor: CurrentActor, app: str) -> Answer:
    """One app by name or id."""
    face = face_of(request)
    return Answer(_app(face, await queries.get_app(face.ctx, actor, app)))


@router.patch("/teams/apps/{app}", openapi_extra=takes(GiveAppBody), responses=gives(shapes.App))
async def give(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Give an app that one owns, or whose team one runs, to a team in which one works, or take it oneself: at once."""
    face, body = face_of(request), await read(request, GiveAppBody)
    if body.locked:
        raise InvalidParams("Apps can't be locked here: give the role `viewer` in the team to who shall only look.")
    if body.owner is None:
        return Answer(_app(face, await queries.get_app(face.ctx, actor, app)))
    return Answer(_app(face, await give_app_away(face.ctx, actor, app, body.owner)))


@router.get("/teams/apps/{app}/collaborators", responses=gives(shapes.TeamCollaborator, many=True))
async def list_collaborators(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Who works on the app, or sees it as one of its team."""
    views = await collaborators.list_collaborators(face_of(request).ctx, actor, app)
    return page(request, [_collaborator(view) for view in views])


@router.post(
    "/teams/apps/{app}/collaborators",
    status_code=201,
    openapi_extra=takes(ShareBody, required=True),
    responses=gives(shapes.TeamCollaborator, 201),
)
async def share(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Share the app with somebody who has an account, whether in the team or not. For its owners and admins."""
    body = await read(request, ShareBody)
    view = await collaborators.add_collaborator(face_of(request).ctx, actor, app, body.user)
    return Answer(_collaborator(view), 201)


@router.get("/teams/apps/{app}/collaborators/{collaborator}", responses=gives(shapes.TeamCollaborator))
async def collaborator_info(request: Request, actor: CurrentActor, app: str, collaborator: str) -> Answer:
    """One of them by e-mail address or id."""
    view = await collaborators.get_collaborator(face_of(request).ctx, actor, app, collaborator)
    return Answer(_collaborator(view))


@router.patch("/teams/apps/{app}/collaborators/{collaborator}", responses=gives(shapes.TeamCollaborator))
async def change_permissions(request: Request, actor: CurrentActor, app: str, collaborator: str) -> Answer:
    """Refused: permissions come together here."""
    await collaborators.get_collaborator(face_of(request).ctx, actor, app, collaborator)
    raise InvalidParams(
        "Who works on an app has every permission here; to have somebody only look, give the role `viewer` in the team."
    )


@router.delete("/teams/apps/{app}/collaborators/{collaborator}", responses=gives(shapes.TeamCollaborator))
async def unshare(request: Request, actor: CurrentActor, app: str, collaborator: str) -> Answer:
    """Stop sharing the app with somebody."""
    view = await collaborators.remove_collaborator(face_of(request).ctx, actor, app, collaborator)
    return Answer(_collaborator(view))
