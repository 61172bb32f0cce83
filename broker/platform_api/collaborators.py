"""Collaborators: with whom an app is shared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, WithJsonSchema

from broker.apps.collaborators import add_collaborator, get_collaborator, list_collaborators, remove_collaborator
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.platform_api import serialize, shapes
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["collaborators"], responses=REFUSED)


def _email_of(value: Any) -> Any:
    """`"a@example.com"`, `{"email": …}` and `{"id": …}` all name the same person."""
    if isinstance(value, dict):
        return next((value[key] for key in ("email", "id") if value.get(key) is not None), None)
    return value


Person = Annotated[
    Text,
    BeforeValidator(_email_of),
    WithJsonSchema({"oneOf": [{"type": "string"}, {"type": "object", "properties": {"email": {"type": "string"}}}]}),
]


class AddCollaboratorBody(Body):
    """With whom to share. Nobody is told by mail here, so `silent` changes nothing."""

    user: Person
    silent: Truth | None = None


@router.get("/apps/{app}/collaborators", responses=gives(shapes.Collaborator, many=True))
async def list_(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Who works on the app: its owner first."""
    views = await list_collaborators(face_of(request).ctx, actor, app)
    return page(request, [serialize.collaborator(view) for view in views])


@router.post(
    "/apps/{app}/collaborators",
    status_code=201,
    openapi_extra=takes(AddCollaboratorBody, required=True),
    responses=gives(shapes.Collaborator, 201),
)
async def create(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Share the app with somebody who has an account, named by e-mail address or id. Only its owner can."""
    body = await read(request, AddCollaboratorBody)
    return Answer(serialize.collaborator(await add_collaborator(face_of(request).ctx, actor, app, body.user)), 201)


@router.get("/apps/{app}/collaborators/{collaborator}", responses=gives(shapes.Collaborator))
async def info(request: Request, actor: CurrentActor, app: str, collaborator: str) -> Answer:
    """One of those who work on the app, by e-mail address or id."""
    return Answer(serialize.collaborator(await get_collaborator(face_of(request).ctx, actor, app, collaborator)))


@router.delete("/apps/{app}/collaborators/{collaborator}", responses=gives(shapes.Collaborator))
async def remove(request: Request, actor: CurrentActor, app: str, collaborator: str) -> Answer:
    """Stop sharing the app with somebody. Collaborators may remove themselves, its owner everybody else."""
    return Answer(serialize.collaborator(await remove_collaborator(face_of(request).ctx, actor, app, collaborator)))
