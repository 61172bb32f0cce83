"""Tags of apps and of the account, by which costs are sorted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from broker.apps import tags
from broker.faces.answers import Answer
from broker.platform_api import shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["tags"], responses=REFUSED)


class ChangeTagsBody(Body):
    """Tags to set; null removes one; tags that are not named stay."""

    tags: Annotated[dict[Text, Text | None], Field(max_length=100)]


def _answer(found: tags.Tags) -> Answer:
    shown: shapes.TagSet = {"tags": dict(found)}
    return Answer(shown)


@router.get("/apps/{app}/tags", responses=gives(shapes.TagSet))
async def of_app(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The tags of an app."""
    return _answer(await tags.app_tags(face_of(request).ctx, actor, app))


@router.patch("/apps/{app}/tags", openapi_extra=takes(ChangeTagsBody, required=True), responses=gives(shapes.TagSet))
async def change_of_app(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Set and remove tags of an app; all that it has then."""
    body = await read(request, ChangeTagsBody)
    return _answer(await tags.change_app_tags(face_of(request).ctx, actor, app, body.tags))


@router.get("/account/tags", responses=gives(shapes.TagSet))
async def of_account(request: Request, actor: PayingActor) -> Answer:
    """The tags of the account: of all apps that it pays for, unless an app has one of that name."""
    return _answer(await tags.account_tags(face_of(request).ctx, actor))


@router.patch("/account/tags", openapi_extra=takes(ChangeTagsBody, required=True), responses=gives(shapes.TagSet))
async def change_of_account(request: Request, actor: PayingActor) -> Answer:
    """Set and remove tags of the account; all that it has then."""
    body = await read(request, ChangeTagsBody)
    return _answer(await tags.change_account_tags(face_of(request).ctx, actor, body.tags))
