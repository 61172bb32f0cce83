"""Attachments of add-ons to apps: attach, list, info, detach, resolve."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from broker.addons import queries
from broker.addons.attach import AttachAddon, attach
from broker.addons.detach import detach
from broker.addons.queries import AttachmentView
from broker.addons.resolve import AddonKey, read_addon, resolve_attachments, visible_attachment
from broker.apps.queries import get_app
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.context import Actor, Scope
from broker.platform_api import serialize, shapes
from broker.platform_api.bodies import AttachmentName, Named, Text
from broker.platform_api.deps import Body, CurrentActor, Face, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once

router = APIRouter(tags=["attachments"], responses=REFUSED)


class AttachBody(Body):
    """What to attach to which app. Without a name, a free one is chosen."""

    addon: Named
    app: Named
    name: AttachmentName | None = None
    confirm: Text | None = None
    namespace: Text | None = None


class ResolveAttachmentBody(Body):
    """What a user typed for an attachment, and where."""

    addon_attachment: Text
    app: Named | None = None
    addon_service: Named | None = None


def _shape(face: Face, actor: Actor, view: AttachmentView) -> shapes.Attachment:
    return serialize.attachment(view, serialize.seer(face, actor))


async def _read(face: Face, actor: Actor, key: str) -> AttachmentView:
    actor.require(Scope.READ)
    async with face.ctx.database.transaction() as tx:
        found = await visible_attachment(tx, actor, key)
        return await queries.get_attachment(tx, found.id)


@router.post(
    "/addon-attachments",
    status_code=201,
    openapi_extra=takes(AttachBody, required=True, repeatable=True),
    responses=gives(shapes.Attachment, 201),
)
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Attach an add-on to an app, whose next release has its config vars. `Idempotency-Key` is understood."""
    face, body = face_of(request), await read(request, AttachBody)
    wanted = AttachAddon(AddonKey(body.addon), body.app, body.name, body.confirm, body.namespace)

    async def make(attachment_id: UUID) -> tuple[UUID, Answer]:
        view = await attach(face.ctx, actor, wanted, attachment_id=attachment_id)
        return view.id, Answer(_shape(face, actor, view), 201)

    async def again(attachment_id: UUID) -> Answer:
        return Answer(_shape(face, actor, await _read(face, actor, str(attachment_id))), 201)

    return await once(request, actor, body, make, again)


@router.get("/addon-attachments", responses=gives(shapes.Attachment, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """Every attachment that the account may see."""
    face = face_of(request)
    return page(request, [_shape(face, actor, view) for view in await queries.list_attachments(face.ctx, actor)])


@router.get("/apps/{app}/addon-attachments", responses=gives(shapes.Attachment, many=True))
async def list_of_app(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The attachments of an app."""
    face = face_of(request)
    app_id = (await get_app(face.ctx, actor, app)).id
    views = await queries.list_attachments(face.ctx, actor, app_id=app_id)
    return page(request, [_shape(face, actor, view) for view in views])


@router.get("/addons/{addon}/addon-attachments", responses=gives(shapes.Attachment, many=True))
async def list_of_addon(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """The attachments of an add-on, on all apps."""
    face = face_of(request)
    addon_id = (await read_addon(face.ctx, actor, AddonKey(addon))).id
    views = await queries.list_attachments(face.ctx, actor, addon_id=addon_id)
    return page(request, [_shape(face, actor, view) for view in views])


@router.get("/addon-attachments/{attachment}", responses=gives(shapes.Attachment))
async def info(request: Request, actor: CurrentActor, attachment: str) -> Answer:
    """One attachment by id."""
    face = face_of(request)
    return Answer(_shape(face, actor, await _read(face, actor, attachment)))


@router.get("/apps/{app}/addon-attachments/{attachment}", responses=gives(shapes.Attachment))
async def info_of_app(request: Request, actor: CurrentActor, app: str, attachment: str) -> Answer:
    """One attachment of an app by name or id."""
    face = face_of(request)
    app_id = (await get_app(face.ctx, actor, app)).id
    return Answer(_shape(face, actor, await queries.attachment_on_app(face.ctx, actor, app_id, attachment)))


@router.delete("/addon-attachments/{attachment}", responses=gives(shapes.Attachment))
async def destroy(request: Request, actor: CurrentActor, attachment: str) -> Answer:
    """Detach: the app's next release is without its config vars. The add-on stays."""
    face = face_of(request)
    return Answer(_shape(face, actor, await detach(face.ctx, actor, attachment)))


@router.post(
    "/actions/addon-attachments/resolve",
    openapi_extra=takes(ResolveAttachmentBody, required=True),
    responses=gives(list[shapes.Attachment]),
)
async def resolve(request: Request, actor: CurrentActor) -> Answer:
    """The attachment that a user means, as a list of one; of an add-on, all its attachments to the app."""
    face, body = face_of(request), await read(request, ResolveAttachmentBody)
    views = await resolve_attachments(face.ctx, actor, body.addon_attachment, body.app, body.addon_service)
    return Answer([_shape(face, actor, view) for view in views])
