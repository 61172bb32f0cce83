"""The marketplace: services and their plans."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.catalog.queries import list_services, visible_plan, visible_plans, visible_service
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.context import Scope
from broker.kernel.errors import NotFound
from broker.platform_api import serialize, shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["marketplace"], responses=REFUSED)


@router.get("/addon-services", responses=gives(shapes.Service, many=True))
async def services(request: Request, actor: CurrentActor) -> Answer:
    """What the marketplace offers."""
    return page(request, [serialize.service(view) for view in await list_services(face_of(request).ctx, actor)])


@router.get("/addon-services/{service}", responses=gives(shapes.Service))
async def service(request: Request, actor: CurrentActor, service: str) -> Answer:
    """One service by name or id."""
    actor.require(Scope.IDENTITY)
    async with face_of(request).ctx.database.transaction() as tx:
        return Answer(serialize.service(await visible_service(tx, actor, service)))


@router.get("/addon-services/{service}/plans", responses=gives(shapes.Plan, many=True))
async def plans(request: Request, actor: CurrentActor, service: str) -> Answer:
    """The plans of a service."""
    actor.require(Scope.IDENTITY)
    async with face_of(request).ctx.database.transaction() as tx:
        views = await visible_plans(tx, actor, service)
    return page(request, [serialize.plan(view) for view in views])


@router.get("/addon-services/{service}/plans/{plan}", responses=gives(shapes.Plan))
async def plan(request: Request, actor: CurrentActor, service: str, plan: str) -> Answer:
    """One plan by name, `service:plan` or id."""
    actor.require(Scope.IDENTITY)
    async with face_of(request).ctx.database.transaction() as tx:
        for view in await visible_plans(tx, actor, service):
            if plan in (view.slug, view.name, str(view.id)):
                return Answer(serialize.plan(view))
    raise NotFound("plan")


@router.get("/plans/{plan}", responses=gives(shapes.Plan))
async def plan_alone(request: Request, actor: CurrentActor, plan: str) -> Answer:
    """One plan by `service:plan` or id."""
    actor.require(Scope.IDENTITY)
    async with face_of(request).ctx.database.transaction() as tx:
        return Answer(serialize.plan(await visible_plan(tx, actor, plan)))
