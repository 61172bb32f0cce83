"""Apps: create, list, info, change, destroy."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from broker.addons.destroy import destroy_app_with_addons
from broker.apps import queries
from broker.apps.change import ChangeApp, change_app
from broker.apps.create import CreateApp, create_app
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.errors import InvalidParams, NotFound
from broker.platform_api import serialize, shapes
from broker.platform_api.bodies import AppName, Named, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once
from broker.platform_api.inventory import region_name
from broker.platform_api.pre_authorizations import code_was_shown

router = APIRouter(tags=["apps"], responses=REFUSED)


class CreateAppBody(Body):
    """An app to be made. Without a name it gets one."""

    name: AppName | None = None
    region: Named | None = None
    stack: Named | None = None
    team: Named | None = None
    organization: Named | None = None
    space: Named | None = None


class UpdateAppBody(Body):
    """What of an app can be changed."""

    name: AppName | None = None
    maintenance: Truth | None = None
    build_stack: Named | None = None
    stack: Named | None = None


@router.post(
    "/apps", status_code=201, openapi_extra=takes(CreateAppBody, repeatable=True), responses=gives(shapes.App, 201)
)
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Create an app, of one's own or of a team. With an `Idempotency-Key`, a repetition gives the same app."""
    face, body = face_of(request), await read(request, CreateAppBody)
    if body.space:
        raise InvalidParams("There are no spaces here: apps are run elsewhere.")
    wanted = CreateApp(body.name, region_name(body.region), body.stack, body.team or body.organization)

    async def make(app_id: UUID) -> tuple[UUID, Answer]:
        app = await create_app(face.ctx, actor, wanted, app_id=app_id)
        return app.id, Answer(serialize.app(app, face.public_url), 201)

    async def again(app_id: UUID) -> Answer:
        app = await queries.get_app(face.ctx, actor, str(app_id))
        return Answer(serialize.app(app, face.public_url), 201)

    return await once(request, actor, body, make, again)


@router.get("/apps", responses=gives(shapes.App, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """Every app that the account may see."""
    face = face_of(request)
    return page(request, [serialize.app(app, face.public_url) for app in await queries.list_apps(face.ctx, actor)])


@router.get("/users/{user}/apps", responses=gives(shapes.App, many=True))
async def list_of_user(request: Request, actor: CurrentActor, user: str) -> Answer:
    """Every app of the account and what is shared with it, without those of teams; `~` is the account behind the token."""
    if user not in ("~", str(actor.id), actor.email):
        raise NotFound("user")
    face = face_of(request)
    views = [view for view in await queries.list_apps(face.ctx, actor) if view.team_name is None]
    return page(request, [serialize.app(view, face.public_url) for view in views])


@router.get("/apps/{app}", responses=gives(shapes.App))
async def info(request: Request, actor: CurrentActor, app: str) -> Answer:
    """One app by name or id."""
    face = face_of(request)
    return Answer(serialize.app(await queries.get_app(face.ctx, actor, app), face.public_url))


@router.patch("/apps/{app}", openapi_extra=takes(UpdateAppBody), responses=gives(shapes.App))
async def update(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Rename an app, or change its maintenance mode or stack."""
    face, body = face_of(request), await read(request, UpdateAppBody)
    change = ChangeApp(body.name, body.maintenance, body.build_stack or body.stack)
    return Answer(serialize.app(await change_app(face.ctx, actor, app, change), face.public_url))


@router.delete("/apps/{app}", responses=gives(shapes.App))
async def destroy(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Destroy an app, and begin to deprovision every add-on that it pays for."""
    face = face_of(request)
    await code_was_shown(request, actor, app)
    return Answer(serialize.app(await destroy_app_with_addons(face.ctx, actor, app), face.public_url))
