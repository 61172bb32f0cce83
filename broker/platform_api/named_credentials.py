"""Logins of their own to an add-on: made and removed by name, used by attachments. Outside the public schema, but for the
question whether there is one."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.credentials import (
    NAMESPACE,
    CredentialView,
    create_credential,
    destroy_credential,
    list_credentials,
)
from broker.addons.models import CredentialState, Permission
from broker.addons.resolve import AddonKey
from broker.faces.answers import Answer
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.platform_api import rotation_shapes, serialize, shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["credentials"], responses=REFUSED)


class CredentialBody(Body):
    """A login to be made: `read_write` or `read_only`; `while_attached`: it goes with its last attachment."""

    name: Text
    permission: Text = Permission.READ_WRITE.value
    while_attached: bool | None = None


def credential(view: CredentialView) -> rotation_shapes.Credential:
    """A login of its own in the shape of this face."""
    return {
        "id": str(view.id),
        "addon_id": str(view.addon_id),
        "name": view.name,
        "permission": view.permission,
        "state": view.state,
        "while_attached": view.while_attached,
        "apps": list(view.apps),
        "reason": view.reason,
        "attempts": view.attempts,
        "next_attempt_at": serialize.maybe(view.next_at),
        "last_answer": view.last_answer,
        "created_at": rfc3339(view.created_at),
    }


@router.post(
    "/addons/{addon}/credentials",
    status_code=201,
    openapi_extra=takes(CredentialBody, required=True),
    responses=gives(rotation_shapes.Credential, 201),
)
async def create(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Have the provider make a login of its own. It may still be `creating` when this answers."""
    face, body = face_of(request), await read(request, CredentialBody)
    if body.permission not in set(Permission):
        raise InvalidParams(f"permission: must be one of {', '.join(Permission)}.")
    view = await create_credential(
        face.ctx,
        actor,
        AddonKey(addon),
        body.name,
        Permission(body.permission),
        while_attached=bool(body.while_attached),
        wait=face.operation_wait,
    )
    return Answer(credential(view), 201)


@router.delete("/addons/{addon}/credentials/{name}", responses=gives(rotation_shapes.Credential))
async def destroy(request: Request, actor: CurrentActor, addon: str, name: str) -> Answer:
    """Begin to remove a login that no attachment uses."""
    return Answer(credential(await destroy_credential(face_of(request).ctx, actor, AddonKey(addon), name)))


@router.get("/addons/{addon}/config/{namespace}", responses=gives(list[shapes.Ref]))
async def config_of_namespace(request: Request, actor: CurrentActor, addon: str, namespace: str) -> Answer:
    """Whether there is such a credential to attach with: an empty list if not. Its values are in the app's config vars."""
    named = await list_credentials(face_of(request).ctx, actor, AddonKey(addon))
    found = [one for one in named if NAMESPACE + one.name == namespace and one.state == CredentialState.ACTIVE]
    return Answer([serialize.ref(one.id, one.name) for one in found])
