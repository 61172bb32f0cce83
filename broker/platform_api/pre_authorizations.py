"""Codes of the second factor before something is destroyed: shown with the request itself, or for a while beforehand."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.accounts.pre_authorizations import asks_for_codes, pre_authorize, require_code
from broker.apps.queries import get_app
from broker.faces.answers import Answer
from broker.kernel.context import Actor
from broker.platform_api import serialize, shapes
from broker.platform_api.deps import CurrentActor, code_of, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["apps"], responses=REFUSED)


@router.put("/apps/{app}/pre-authorizations", responses=gives(shapes.App))
async def allow(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Show a code, in the header `Heroku-Two-Factor-Code`: for five minutes, this token need not show another for this app."""
    face = face_of(request)
    view = await get_app(face.ctx, actor, app)
    await pre_authorize(face.ctx, actor, view.id, code_of(request))
    return Answer(serialize.app(view, face.public_url))


async def code_was_shown(request: Request, actor: Actor, app: str) -> None:
    """Go on with destroying, unless the account asks for a code and none was shown.

    Raises: TwoFactorRequired, RateLimited; NotFound for an app that is not there.
    """
    ctx = face_of(request).ctx
    if await asks_for_codes(ctx, actor):
        view = await get_app(ctx, actor, app)
        await require_code(ctx, actor, view.id, view.name, code_of(request))
