"""The account behind the token, and what belongs to a person."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.accounts.account import get_account
from broker.faces.answers import Answer
from broker.kernel.context import Scope
from broker.kernel.errors import NotFound
from broker.payments.standing import get_standing
from broker.platform_api import serialize, shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["account"], responses=REFUSED)


@router.get("/account", responses=gives(shapes.Account))
async def info(request: Request, actor: CurrentActor) -> Answer:
    """The account behind the token."""
    ctx = face_of(request).ctx
    view = await get_account(ctx, actor)
    return Answer(serialize.account(view, await get_standing(ctx, view.id)))


@router.get("/users/{user}", responses=gives(shapes.Account))
async def user_info(request: Request, actor: CurrentActor, user: str) -> Answer:
    """The same, for clients that ask for the user `~`."""
    if user not in ("~", str(actor.id), actor.email):
        raise NotFound("user")
    return await info(request, actor)


@router.get("/account/rate-limits", responses=gives(shapes.RateLimit))
async def rate_limits(request: Request, _actor: CurrentActor) -> Answer:
    """How many requests this token has left. Asking is free."""
    return Answer({"remaining": request.state.remaining})


@router.get("/account/features", responses=gives(shapes.Ref, many=True))
async def features(actor: CurrentActor) -> Answer:
    """Experimental features of the account: there are none."""
    actor.require(Scope.IDENTITY)
    return Answer([])


@router.get("/account/features/{feature}", responses=gives(shapes.Ref))
async def feature(actor: CurrentActor, feature: str) -> Answer:
    """One of them."""
    actor.require(Scope.IDENTITY)
    raise NotFound("feature")
