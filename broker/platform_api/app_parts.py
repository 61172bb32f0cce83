"""What clients read of an app besides: usage, and the parts of a platform that there are not here."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.costs import app_usage
from broker.apps.queries import get_app
from broker.faces.answers import Answer
from broker.kernel.errors import NotFound
from broker.platform_api import costs, shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["apps"], responses=REFUSED)


@router.get("/apps/{app}/usage", responses=gives(shapes.Usage))
async def usage(request: Request, actor: CurrentActor, app: str) -> Answer:
    """What the metered add-ons billed to the app used this month."""
    found = await app_usage(face_of(request).ctx, actor, app)
    return Answer({"addons": [costs.usage(addon) for addon in found]})


@router.get("/apps/{app}/dynos", responses=gives(shapes.Ref, many=True))
@router.get("/apps/{app}/formation", responses=gives(shapes.Ref, many=True))
@router.get("/apps/{app}/features", responses=gives(shapes.Ref, many=True))
@router.get("/apps/{app}/domains", responses=gives(shapes.Ref, many=True))
@router.get("/apps/{app}/buildpack-installations", responses=gives(shapes.Ref, many=True))
@router.get("/apps/{app}/log-drains", responses=gives(shapes.Ref, many=True))
async def nothing(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Empty: apps are known here by their configuration and are run elsewhere."""
    await get_app(face_of(request).ctx, actor, app)
    return Answer([])


@router.get("/apps/{app}/pipeline-couplings", responses=gives(shapes.Ref))
async def pipeline_coupling(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The pipeline of the app: there are no pipelines."""
    await get_app(face_of(request).ctx, actor, app)
    raise NotFound("pipeline_coupling")


@router.get("/apps/{app}/features/{feature}", responses=gives(shapes.Ref))
async def feature(request: Request, actor: CurrentActor, app: str, feature: str) -> Answer:
    """An experimental feature of the app: there are none."""
    await get_app(face_of(request).ctx, actor, app)
    raise NotFound("feature")
