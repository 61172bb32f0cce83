"""What `heroku pg:info`, `pg:wait`, `pg:promote` and `redis:*` ask of a database. Its credentials are in `databases.py`.

Source: the requests of the Heroku CLI to its data API, whose host is ours by HEROKU_DATA_HOST.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from broker.addons.credentials import DEFAULT, reveal_credential
from broker.addons.models import AddonState
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.rotate import rotate
from broker.addons.rotations import get_rotation
from broker.faces.answers import Answer
from broker.kernel.context import Actor
from broker.kernel.errors import Forbidden, NotFound
from broker.platform_api import rotation_shapes
from broker.platform_api.deps import CurrentActor, Face, face_of
from broker.platform_api.describe import REFUSED, gives
from broker.platform_api.rotations import rotation

router = APIRouter(tags=["databases"], responses=REFUSED)

_STATUS: Final = {
    AddonState.PROVISIONING: "Being created",
    AddonState.PROVISIONED: "Available",
    AddonState.DEPROVISIONING: "Being destroyed",
    AddonState.DEPROVISIONED: "Gone",
}
_ENCRYPTED: Final = "rediss://"
_REDIS: Final = ("redis://", _ENCRYPTED)


def _status(view: AddonView) -> str:
    if view.state is AddonState.PROVISIONED and view.suspended_at is not None:
        return "Suspended"
    if view.state is AddonState.DEPROVISIONED and view.reason is not None:
        return f"{_STATUS[view.state]}: {view.reason}"
    return _STATUS[view.state]


def _facts(view: AddonView) -> list[rotation_shapes.DatabaseFact]:
    facts = {"Plan": view.plan.human_name, "Status": _status(view), **view.plan.features}
    facts |= {"Region": view.region, "Created": f"{view.created_at:%Y-%m-%d %H:%M} UTC"}
    return [{"name": name, "values": [value]} for name, value in facts.items()]


def _waiting(view: AddonView) -> Answer:
    failed = view.state is AddonState.DEPROVISIONED
    status = {"waiting?": view.state is AddonState.PROVISIONING, "error?": failed, "message": _status(view)}
    return Answer(status)


async def _address(face: Face, actor: Actor, key: AddonKey) -> str | None:
    """The URL of a Redis, for who may read it: recorded, as whenever the values of a credential are read."""
    try:
        values = await reveal_credential(face.ctx, actor, key, DEFAULT)
    except (Forbidden, NotFound):
        return None
    return next((url for value in values.values() if (url := value.reveal()).startswith(_REDIS)), None)


@router.get("/client/v11/databases/{database}", responses=gives(rotation_shapes.DatabaseInfo))
async def info(request: Request, actor: CurrentActor, database: str) -> Answer:
    """A database's state and plan, for people to read. Its address is not among them."""
    view = await read_addon(face_of(request).ctx, actor, AddonKey(database))
    return Answer({"info": _facts(view), "resource_url": None, "following": None})


@router.get("/client/v11/databases/{database}/wait_status", responses=gives(rotation_shapes.DatabaseWait))
async def wait_status(request: Request, actor: CurrentActor, database: str) -> Answer:
    """Whether a database is still being created."""
    return _waiting(await read_addon(face_of(request).ctx, actor, AddonKey(database)))


@router.get("/redis/v0/databases/{database}", responses=gives(rotation_shapes.RedisInfo))
async def redis_info(request: Request, actor: CurrentActor, database: str) -> Answer:
    """A Redis' state, plan and, for who may read it, address."""
    face, key = face_of(request), AddonKey(database)
    view = await read_addon(face.ctx, actor, key)
    url = await _address(face, actor, key)
    # The CLI speaks TLS, one port on, to whatever is not called a hobby plan; and warns of plans that are.
    encrypted = url is not None and url.startswith(_ENCRYPTED)
    plan = view.plan.slug if encrypted else f"hobby-{view.plan.slug}"
    return Answer({"info": _facts(view), "resource_url": url, "plan": plan, "prefer_native_tls": encrypted})


@router.get("/redis/v0/databases/{database}/wait", responses=gives(rotation_shapes.DatabaseWait))
async def redis_wait(request: Request, actor: CurrentActor, database: str) -> Answer:
    """Whether a Redis is still being created."""
    return _waiting(await read_addon(face_of(request).ctx, actor, AddonKey(database)))


@router.post("/redis/v0/databases/{database}/credentials_rotation", responses=gives(rotation_shapes.Rotation))
async def redis_rotate(request: Request, actor: CurrentActor, database: str) -> Answer:
    """Rotate the password of a Redis; the old one holds until the apps have the new one."""
    face = face_of(request)
    overlap, wait = face.rotation_overlap, face.operation_wait
    rotation_id = await rotate(face.ctx, actor, AddonKey(database), overlap=overlap, wait=wait)
    return Answer(rotation(await get_rotation(face.ctx, rotation_id)))
