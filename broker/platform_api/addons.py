"""Add-ons: create, list, info, change of plan or name, destroy, resolve, operations."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from broker.addons import queries
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.queries import AddonView
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey, read_addon, resolve_addons
from broker.addons.scheduled_changes import schedule_plan_change
from broker.apps.queries import get_app
from broker.catalog.views import sunset_text
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.context import Scope
from broker.kernel.errors import InvalidParams, NotFound
from broker.platform_api import serialize, shapes, streams
from broker.platform_api.bodies import AddonName, AttachmentName, Named, Text, Truth, storable
from broker.platform_api.deps import Body, CurrentActor, Face, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once
from broker.platform_api.plain import PlainRoute
from broker.platform_api.pre_authorizations import code_was_shown

router = APIRouter(tags=["add-ons"], responses=REFUSED, route_class=PlainRoute)


def _option(value: Any) -> Any:
    """A flag of the command line comes as `true`, a number as a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if type(value) is int and abs(value) < 10**18 else value


Option = Annotated[
    str,
    BeforeValidator(_option),
    AfterValidator(storable),
    Field(max_length=16_384),
    WithJsonSchema({"type": ["string", "boolean", "integer"]}),
]


class NewAttachment(Body):
    """How the add-on is to be attached to its app."""

    name: AttachmentName | None = None


class CreateAddonBody(Body):
    """An add-on to be made. A plan without `:plan` is the service's default plan."""

    plan: Named
    name: AddonName | None = None
    attachment: NewAttachment | None = None
    config: Annotated[dict[Text, Option], Field(max_length=100)] | None = None
    confirm: Text | None = None
    request: Truth | None = None
    """Ask for approval, if a budget does not allow it."""
    accept_trial_end: Truth | None = None
    """Agree to pay when a trial is over; otherwise the add-on is suspended then."""


class UpdateAddonBody(Body):
    """What of an add-on can be changed. With `request`, approval is asked for of a plan that a budget does not allow; with
    `effective` at `period_end`, the plan changes when the month is over."""

    plan: Named | None = None
    name: AddonName | None = None
    request: Truth | None = None
    effective: Text | None = None


class DestroyAddonBody(Body):
    """`force` destroys an add-on that other apps are attached to."""

    force: Truth | None = None


class ResolveAddonBody(Body):
    """What a user typed for an add-on, and where."""

    addon: Text
    app: Named | None = None
    addon_service: Named | None = None


@router.post(
    "/apps/{app}/addons",
    status_code=201,
    openapi_extra=takes(CreateAddonBody, required=True, repeatable=True),
    responses=gives(shapes.Addon, 201),
)
async def create(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Create an add-on. It may still be `provisioning` when this answers. `Idempotency-Key` is understood."""
    face, body = face_of(request), await read(request, CreateAddonBody)
    attached_as = body.attachment.name if body.attachment else None
    ask, accepted = bool(body.request), bool(body.accept_trial_end)
    wanted = CreateAddon(app, body.plan, body.name, attached_as, body.confirm, body.config or {}, ask, accepted)

    async def make(addon_id: UUID) -> tuple[UUID, Answer]:
        await face.backlog.check()
        view = await create_addon(face.ctx, actor, wanted, wait=face.operation_wait, addon_id=addon_id)
        return view.id, Answer(serialize.addon(view, serialize.seer(face, actor)), 201)

    async def again(addon_id: UUID) -> Answer:
        view = await read_addon(face.ctx, actor, AddonKey(str(addon_id)))
        return Answer(serialize.addon(view, serialize.seer(face, actor)), 201)

    return await once(request, actor, body, make, again)


@router.get("/addons", responses=gives(shapes.Addon, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """Every add-on that the account may see."""
    face = face_of(request)
    seer = serialize.seer(face, actor)
    return page(request, [serialize.addon(view, seer) for view in await queries.list_addons(face.ctx, actor)])


@router.get("/users/{user}/addons", responses=gives(shapes.Addon, many=True))
async def list_of_user(request: Request, actor: CurrentActor, user: str) -> Answer:
    """The same, for the user `~`."""
    if user not in ("~", str(actor.id), actor.email):
        raise NotFound("user")
    return await list_(request, actor)


@router.get("/apps/{app}/addons", responses=gives(shapes.Addon, many=True))
async def list_of_app(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The add-ons of an app: its own, and those of other apps that are attached to it."""
    face = face_of(request)
    seer = serialize.seer(face, actor)
    app_id = (await get_app(face.ctx, actor, app)).id
    return page(request, [serialize.addon(view, seer) for view in await queries.list_addons(face.ctx, actor, app_id)])


async def _info(request: Request, actor: CurrentActor, key: AddonKey) -> Answer:
    face = face_of(request)
    view = await read_addon(face.ctx, actor, key)
    return Answer(serialize.addon(view, serialize.seer(face, actor)), headers=_countdown(face, view))


def _countdown(face: Face, view: AddonView) -> dict[str, str]:
    """What the Heroku CLI prints as a warning: that the service ends, and when."""
    if view.service.sunset_at is None:
        return {}
    told = sunset_text(view.service, face.ctx.clock.now())
    return {"X-Heroku-Warning": told.encode("ascii", "replace").decode()}


@router.get("/addons/{addon}", responses=gives(shapes.Addon))
async def info(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """One add-on by name or id."""
    return await _info(request, actor, AddonKey(addon))


@router.get("/apps/{app}/addons/{addon}", responses=gives(shapes.Addon))
async def info_of_app(request: Request, actor: CurrentActor, app: str, addon: str) -> Answer:
    """One add-on of an app by name or id. One that failed or was removed lately is `deprovisioned`."""
    return await _info(request, actor, AddonKey(addon, app))


@router.patch("/apps/{app}/addons/{addon}", openapi_extra=takes(UpdateAddonBody), responses=gives(shapes.Addon))
async def update(request: Request, actor: CurrentActor, app: str, addon: str) -> Answer:
    """Change the plan or the name. With both, one must be as it is: a request is done as a whole or not at all."""
    face, body = face_of(request), await read(request, UpdateAddonBody)
    if body.plan is None and body.name is None:
        raise InvalidParams("plan: is required, or `name`.")
    view = await read_addon(face.ctx, actor, AddonKey(addon, app))
    key, renamed = AddonKey(str(view.id), app), body.name not in (None, view.name)
    moved = body.plan not in (None, view.plan.name, view.plan.slug, str(view.plan.id))
    if renamed and moved:
        raise InvalidParams("plan: can't be changed together with the name; change them in two requests.")
    if body.name is not None and renamed:
        view = await rename_addon(face.ctx, actor, key, body.name)
    elif body.plan is not None and _waits(body.effective):
        await schedule_plan_change(face.ctx, actor, key, body.plan)
    elif body.plan is not None:
        ask = bool(body.request)
        view = await change_plan(face.ctx, actor, key, body.plan, wait=face.operation_wait, ask=ask)
    return Answer(serialize.addon(view, serialize.seer(face, actor)))


def _waits(effective: str | None) -> bool:
    if effective not in (None, "immediate", "period_end"):
        raise InvalidParams("effective: must be immediate or period_end.")
    return effective == "period_end"


@router.delete("/apps/{app}/addons/{addon}", openapi_extra=takes(DestroyAddonBody), responses=gives(shapes.Addon))
async def destroy(request: Request, actor: CurrentActor, app: str, addon: str) -> Answer:
    """Destroy an add-on: `deprovisioned` when the provider has confirmed, else `deprovisioning` in the background."""
    face, body = face_of(request), await read(request, DestroyAddonBody)
    await code_was_shown(request, actor, app)
    key = AddonKey(addon, app)
    view = await destroy_addon(face.ctx, actor, key, force=bool(body.force), wait=face.operation_wait)
    return Answer(serialize.addon(view, serialize.seer(face, actor)))


@router.post(
    "/actions/addons/resolve",
    openapi_extra=takes(ResolveAddonBody, required=True),
    responses=gives(list[shapes.Addon]),
)
async def resolve(request: Request, actor: CurrentActor) -> Answer:
    """The add-on that a user means, as a list of one."""
    face, body = face_of(request), await read(request, ResolveAddonBody)
    views = await resolve_addons(face.ctx, actor, body.addon, body.app, body.addon_service)
    return Answer([serialize.addon(view, serialize.seer(face, actor)) for view in views])


_OPERATIONS = gives(list[shapes.Operation])
_OPERATIONS[200]["content"] |= streams.DESCRIBED


@router.get("/addons/{addon}/operations", responses=_OPERATIONS, response_model=None)
async def operations(request: Request, actor: CurrentActor, addon: str) -> Response:
    """What was, is or will be done for an add-on, newest first; as `text/event-stream`, the newest while it goes on."""
    ctx = face_of(request).ctx
    view = await read_addon(ctx, actor, AddonKey(addon))
    if streams.is_wanted(request):
        actor.require(Scope.READ)
        return streams.operations_of(ctx, actor, view.id)
    return Answer([serialize.operation(item) for item in await queries.list_operations(ctx, actor, view.id)])
