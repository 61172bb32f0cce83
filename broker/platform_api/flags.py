"""Flags: what operators switch off for a while. To others these endpoints do not exist."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.flags.switch import FlagView, list_flags, set_flag
from broker.platform_api import operating_shapes, serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["operating"], responses=REFUSED)


class FlagBody(Body):
    """How a flag is to stand, and why; for one service, if that is named."""

    on: bool
    reason: Text
    service: Text | None = None


def flag(view: FlagView) -> operating_shapes.Flag:
    """A flag in the shape of this face."""
    return {
        "name": view.name.value,
        "service": view.service,
        "on": view.is_on,
        "meaning": view.meaning,
        "reason": view.reason or None,
        "changed_by": view.changed_by,
        "changed_at": serialize.maybe(view.changed_at),
    }


@router.get("/flags", responses=gives(operating_shapes.Flag, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """Every flag, each with the services that it was switched for."""
    return page(request, [flag(view) for view in await list_flags(face_of(request).ctx, actor)])


@router.put("/flags/{flag_name}", openapi_extra=takes(FlagBody, required=True), responses=gives(operating_shapes.Flag))
async def switch(request: Request, actor: CurrentActor, flag_name: str) -> Answer:
    """Switch a flag, as a whole or for one service, at once and for every process."""
    actor.require_operator()
    body = await read(request, FlagBody)
    view = await set_flag(face_of(request).ctx, actor, flag_name, body.on, body.reason, body.service)
    return Answer(flag(view))
