"""Browsers that are signed in to the pages."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.kernel.errors import NotFound
from broker.oauth import sessions as use
from broker.platform_api import oauth_shapes as shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["sessions"], responses=REFUSED)


@router.get("/oauth/sessions", responses=gives(shapes.Session, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The browsers that are signed in."""
    ctx = face_of(request).ctx
    now = ctx.wall.now()
    return page(request, [_shown(view, now) for view in await use.list_sessions(ctx, actor)])


@router.delete("/oauth/sessions/{session}", responses=gives(shapes.Session))
async def end(request: Request, actor: CurrentActor, session: str) -> Answer:
    """Sign a browser out. A token has no session of its own, so `~` is not found: clients ask for it when they log out."""
    if session == "~":
        raise NotFound("session")
    ctx = face_of(request).ctx
    return Answer(_shown(await use.end_session(ctx, actor, session), ctx.wall.now()))


def _shown(view: use.SessionView, now: datetime) -> shapes.Session:
    return {
        "id": str(view.id),
        "description": view.description,
        "expires_in": max(0, int((view.expires_at - now).total_seconds())),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.created_at),
    }
