"""Credentials: their generations, changing them, and telling that an app runs with the new ones. Outside the public schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons.acknowledge import acknowledge
from broker.addons.credentials import CredentialView, list_credentials
from broker.addons.refresh import refresh
from broker.addons.resolve import AddonKey
from broker.addons.rotate import LONGEST_OVERLAP, Started, rotate, rotate_all
from broker.addons.rotations import (
    CredentialsView,
    RotationView,
    end_overlap,
    get_credentials,
    get_rotation,
    list_rotations,
)
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.platform_api import rotation_shapes, serialize, shapes
from broker.platform_api.bodies import Named, Text
from broker.platform_api.deps import Body, CurrentActor, Face, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.named_credentials import credential

router = APIRouter(tags=["credentials"], responses=REFUSED)


class RotateBody(Body):
    """`revoke_now` leaves no overlap; `overlap_s` is how long old credentials work at the most."""

    revoke_now: bool | None = None
    overlap_s: Annotated[int, Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds()))] | None = None


class RotateAllBody(RotateBody):
    """Which add-ons: of one service, or all; `everyone`'s for operators."""

    addon_service: Named | None = None
    everyone: bool | None = None


class AcknowledgeBody(Body):
    """Who says so: `api` or `broker run`."""

    how: Text = "api"


def rotation(view: RotationView) -> rotation_shapes.Rotation:
    """A rotation in the shape of this face."""
    return {
        "id": str(view.id),
        "addon": _addon(view.addon_id, view.addon_name),
        "operation_id": None if view.operation_id is None else str(view.operation_id),
        "generation": view.generation,
        "state": view.state,
        "initiated_by": "provider" if view.by_provider else "user",
        "actor": view.actor_email,
        "overlap_until": serialize.maybe(view.revoke_at),
        "apps": [
            {
                "id": str(app.app_id),
                "name": app.app_name,
                "release": app.release_version,
                "acknowledged_at": serialize.maybe(app.acknowledged_at),
                "how": app.how,
            }
            for app in view.apps
        ],
        "attempts": view.attempts,
        "next_attempt_at": serialize.maybe(view.next_at),
        "last_answer": view.last_answer,
        "created_at": rfc3339(view.created_at),
        "issued_at": serialize.maybe(view.issued_at),
        "finished_at": serialize.maybe(view.finished_at),
    }


def _addon(addon_id: UUID, name: str) -> dict[str, str]:
    return {"id": str(addon_id), "name": name}


def _started(one: Started) -> rotation_shapes.StartedRotation:
    return {
        "addon": _addon(one.addon_id, one.addon_name),
        "addon_service": one.service,
        "rotation": None if one.rotation_id is None else str(one.rotation_id),
        "refusal": one.refusal,
    }


def _credentials(view: CredentialsView, named: list[CredentialView]) -> rotation_shapes.Credentials:
    return {
        "addon": _addon(view.addon_id, view.addon_name),
        "generation": view.generation,
        "rotated_at": rfc3339(view.rotated_at),
        "old_until": serialize.maybe(view.old_until),
        "named": [credential(one) for one in named],
    }


def _overlap(body: RotateBody, face: Face) -> timedelta:
    if body.revoke_now:
        return timedelta()
    return face.rotation_overlap if body.overlap_s is None else timedelta(seconds=body.overlap_s)


@router.post(
    "/addons/{addon}/actions/rotate", openapi_extra=takes(RotateBody), responses=gives(rotation_shapes.Rotation)
)
async def rotate_one(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Have the provider issue new credentials; the old ones work until every app has the new ones."""
    face, body = face_of(request), await read(request, RotateBody)
    overlap = _overlap(body, face)
    rotation_id = await rotate(face.ctx, actor, AddonKey(addon), overlap=overlap, wait=face.operation_wait)
    return Answer(rotation(await get_rotation(face.ctx, rotation_id)))


@router.post(
    "/actions/rotate-credentials",
    openapi_extra=takes(RotateAllBody),
    responses=gives(list[rotation_shapes.StartedRotation]),
)
async def rotate_many(request: Request, actor: CurrentActor) -> Answer:
    """Begin to rotate every add-on of a service, or of all; what became of each."""
    face, body = face_of(request), await read(request, RotateAllBody)
    everyone, overlap = bool(body.everyone), _overlap(body, face)
    started = await rotate_all(face.ctx, actor, body.addon_service, everyone=everyone, overlap=overlap)
    return Answer([_started(one) for one in started])


@router.get("/addons/{addon}/rotations", responses=gives(rotation_shapes.Rotation, many=True))
async def rotations(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Every change of an add-on's credentials, newest first."""
    found = await list_rotations(face_of(request).ctx, actor, AddonKey(addon))
    return page(request, [rotation(view) for view in found])


@router.post("/addons/{addon}/rotations/actions/revoke", responses=gives(list[rotation_shapes.Rotation]))
async def revoke(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Have old credentials withdrawn now, whoever still uses them."""
    return Answer([rotation(view) for view in await end_overlap(face_of(request).ctx, actor, AddonKey(addon))])


@router.get("/addons/{addon}/credentials", responses=gives(rotation_shapes.Credentials))
async def credentials(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Which generation of credentials holds, and since when; and which logins of their own there are."""
    ctx, key = face_of(request).ctx, AddonKey(addon)
    return Answer(_credentials(await get_credentials(ctx, actor, key), await list_credentials(ctx, actor, key)))


@router.post("/addons/{addon}/actions/refresh", responses=gives(shapes.Addon))
async def refresh_config(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Ask the provider which config holds now; where it differs, the attached apps are released."""
    face = face_of(request)
    view = await refresh(face.ctx, actor, AddonKey(addon), wait=face.operation_wait)
    return Answer(serialize.addon(view, serialize.seer(face, actor)))


@router.post(
    "/apps/{app}/releases/{release}/actions/acknowledge",
    openapi_extra=takes(AcknowledgeBody),
    responses=gives(shapes.Release),
)
async def acknowledge_release(request: Request, actor: CurrentActor, app: str, release: str) -> Answer:
    """Tell that an app runs with a release (by version, id or `current`): credentials from before it may go."""
    body = await read(request, AcknowledgeBody)
    return Answer(serialize.release(await acknowledge(face_of(request).ctx, actor, app, release, body.how)))
