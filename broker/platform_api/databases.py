"""The credentials of databases, as `heroku pg:credentials` asks for them.

Source: the requests of the Heroku CLI to its data API, whose host is ours by HEROKU_DATA_HOST.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

from fastapi import APIRouter, Request

from broker.addons.credentials import (
    DEFAULT,
    create_credential,
    destroy_credential,
    list_credentials,
    reveal_credential,
)
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.rotate import rotate
from broker.addons.rotations import get_rotation
from broker.faces.answers import Answer
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.secret import Secret
from broker.platform_api import rotation_shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.named_credentials import credential
from broker.platform_api.rotations import rotation

router = APIRouter(prefix="/postgres/v0/databases/{database}", tags=["databases"], responses=REFUSED)


class NameBody(Body):
    """The name of a credential to be made."""

    name: Text


class ForceBody(Body):
    """`forced`: without an overlap."""

    forced: bool | None = None


def _shown(
    uuid: UUID, name: str, state: str, place: SplitResult | None, login: bool = False
) -> rotation_shapes.DatabaseCredential:
    known: rotation_shapes.DatabaseLogin | None = None
    if place and login:
        known = {"user": unquote(place.username or ""), "password": unquote(place.password or ""), "state": "active"}
    return {
        "uuid": str(uuid),
        "name": name,
        "state": state,
        "database": unquote(place.path.removeprefix("/")) if place else "",
        "host": (place.hostname or "") if place else "",
        "port": (place.port or 5432) if place else 5432,
        "credentials": [known] if known else [],
    }


def _place(values: Mapping[str, Secret]) -> SplitResult:
    """The address of the database among the values of an add-on.

    Raises: NotFound if it is no database.
    """
    for value in values.values():
        url = urlsplit(value.reveal())
        if url.scheme in ("postgres", "postgresql"):
            return url
    raise NotFound("database")


@router.get("/credentials", responses=gives(list[rotation_shapes.DatabaseCredential]))
async def list_(request: Request, actor: CurrentActor, database: str) -> Answer:
    """The credentials of a database by name and state, the default one first."""
    ctx, key = face_of(request).ctx, AddonKey(database)
    addon = await read_addon(ctx, actor, key)
    named = await list_credentials(ctx, actor, key)
    shown = [_shown(one.id, one.name, one.state, None) for one in named]
    return Answer([_shown(addon.id, DEFAULT, "active", None), *shown])


@router.get("/credentials/{name}", responses=gives(rotation_shapes.DatabaseCredential))
async def info(request: Request, actor: CurrentActor, database: str, name: str) -> Answer:
    """One credential with its user and password."""
    ctx, key = face_of(request).ctx, AddonKey(database)
    addon = await read_addon(ctx, actor, key)
    place = _place(await reveal_credential(ctx, actor, key, name))
    return Answer(_shown(addon.id, name, "active", place, login=True))


@router.post(
    "/credentials",
    status_code=201,
    openapi_extra=takes(NameBody, required=True),
    responses=gives(rotation_shapes.Credential, 201),
)
async def create(request: Request, actor: CurrentActor, database: str) -> Answer:
    """Have a login of its own made, which reads and writes."""
    face, body = face_of(request), await read(request, NameBody)
    view = await create_credential(face.ctx, actor, AddonKey(database), body.name, wait=face.operation_wait)
    return Answer(credential(view), 201)


@router.delete("/credentials/{name}", responses=gives(rotation_shapes.Credential))
async def destroy(request: Request, actor: CurrentActor, database: str, name: str) -> Answer:
    """Begin to remove a login that no attachment uses."""
    return Answer(credential(await destroy_credential(face_of(request).ctx, actor, AddonKey(database), name)))


@router.post(
    "/credentials/{name}/credentials_rotation",
    openapi_extra=takes(ForceBody),
    responses=gives(rotation_shapes.Rotation),
)
async def rotate_one(request: Request, actor: CurrentActor, database: str, name: str) -> Answer:
    """Rotate the default credential; `forced` leaves no overlap."""
    if name != DEFAULT:
        raise InvalidParams(f"{name} can't be rotated: make a new credential and attach it instead.")
    face, body = face_of(request), await read(request, ForceBody)
    overlap = face.rotation_overlap * (not body.forced)
    rotation_id = await rotate(face.ctx, actor, AddonKey(database), overlap=overlap, wait=face.operation_wait)
    return Answer(rotation(await get_rotation(face.ctx, rotation_id)))
