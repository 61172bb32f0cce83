"""Releases: the list, one of them, its environment, and going back to it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.taken import reserved_names
from broker.apps import release_history as history
from broker.apps.rollback import roll_back
from broker.faces.answers import Answer
from broker.faces.ranges import ListRange, range_of, sliced
from broker.platform_api import serialize, shapes
from broker.platform_api.bodies import NumberText
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["releases"], responses=REFUSED)


class RollbackBody(Body):
    """The release to go back to, by id or version."""

    release: NumberText


@router.get("/apps/{app}/releases", responses=gives(shapes.Release, many=True))
async def list_(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The releases by version; newest first with `Range: version ..; order=desc`."""
    wanted = range_of(request)
    found = await history.list_releases(
        face_of(request).ctx,
        actor,
        app,
        newest_first=wanted.descending,
        limit=wanted.max + 1,
        after=_after(wanted),
    )
    return sliced([serialize.release(view) for view in found], wanted, "version")


def _after(wanted: ListRange) -> int | None:
    """The version that the wanted part lies beyond."""
    start = wanted.start.removeprefix("v")
    if wanted.key != "version" or not (start.isascii() and start.isdigit() and len(start) < 18):
        return None
    inclusive = 0 if wanted.exclusive else 1
    return int(start) + (inclusive if wanted.descending else -inclusive)


@router.post(
    "/apps/{app}/releases",
    status_code=201,
    openapi_extra=takes(RollbackBody, required=True),
    responses=gives(shapes.Release, 201),
)
async def create(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Go back to a release, by making a new one with its vars. What add-ons give stays as it is."""
    body = await read(request, RollbackBody)
    view = await roll_back(face_of(request).ctx, actor, app, body.release, reserved_names)
    return Answer(serialize.release(view), 201)


@router.get("/apps/{app}/releases/{release}", responses=gives(shapes.Release))
async def info(request: Request, actor: CurrentActor, app: str, release: str) -> Answer:
    """One release by version or id."""
    return Answer(serialize.release(await history.get_release(face_of(request).ctx, actor, app, release)))


@router.get("/apps/{app}/releases/{release}/config-vars", responses=gives(shapes.ConfigVars))
async def config_vars(request: Request, actor: CurrentActor, app: str, release: str) -> Answer:
    """The environment as the release froze it."""
    return Answer(await history.release_config_vars(face_of(request).ctx, actor, app, release))
