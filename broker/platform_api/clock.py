"""The test clock: for operators, and only where the broker has one. Elsewhere these endpoints do not exist."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.kernel.ahead import ClockView, aim_clock, get_clock, later
from broker.kernel.clock import rfc3339
from broker.platform_api import operating_shapes, serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(prefix="/clock", tags=["operating"], responses=REFUSED)


class AdvanceBody(Body):
    """By how much: hours, days, weeks or months, such as `12h`, `10d` or `1month`."""

    by: Text


@router.get("", responses=gives(operating_shapes.TestClock))
async def info(request: Request, actor: CurrentActor) -> Answer:
    """What the broker's clock says, and where it is going if it is being set forward."""
    return Answer(_shown(await get_clock(face_of(request).ctx, actor)))


@router.post("/advances", status_code=202, openapi_extra=takes(AdvanceBody, required=True),
             responses=gives(operating_shapes.TestClock, 202))  # fmt: skip
async def advance(request: Request, actor: CurrentActor) -> Answer:
    """Let the clock be set forward. A worker does it step by step, and lets happen what falls due: ask until `aim_at` is null."""
    ctx = face_of(request).ctx
    before = await get_clock(ctx, actor)
    body = await read(request, AdvanceBody)
    return Answer(_shown(await aim_clock(ctx, actor, later(before.aim_at or before.now, body.by))), 202)


def _shown(view: ClockView) -> operating_shapes.TestClock:
    return {
        "now": rfc3339(view.now),
        "ahead_s": int(view.ahead.total_seconds()),
        "aim_at": serialize.maybe(view.aim_at),
    }
