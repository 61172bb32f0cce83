"""API tokens: made with e-mail address and password or with another token, listed, described, revoked, renewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.accounts import authorizations as use
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.context import Scope
from broker.kernel.errors import NotFound
from broker.oauth.clients import client_names
from broker.platform_api import serialize, shapes
from broker.platform_api.bodies import Text, as_list
from broker.platform_api.deps import Body, CurrentActor, SigningIn, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["authorizations"], responses=REFUSED)

_UNDESCRIBED: Final = "API token"
"""What lists and mails call a token that nobody described."""


def _seconds(value: Any) -> Any:
    """The Heroku CLI sends the number as a string."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12 else value


Description = Annotated[Text, Field(json_schema_extra={"maxLength": use.LONGEST_DESCRIPTION})]
ScopeName = Annotated[Text, Field(json_schema_extra={"enum": [scope.value for scope in Scope]})]


class CreateAuthorizationBody(Body):
    """A token to be made. Without `scope` it is `global`; without `expires_in` it lives as long as the broker allows."""

    description: Description | None = None
    scope: (
        Annotated[list[ScopeName], BeforeValidator(as_list), Field(max_length=20, json_schema_extra={"minItems": 1})]
        | None
    ) = None
    expires_in: (
        Annotated[
            int,
            BeforeValidator(_seconds),
            Field(ge=1, le=315_360_000),
            WithJsonSchema(
                {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,7}$", "minimum": 1, "maximum": 315360000}
            ),
        ]
        | None
    ) = None


class UpdateAuthorizationBody(Body):
    """What of a token's record can be changed."""

    description: Description | None = None


async def _answer(request: Request, view: use.AuthorizationView, status: int = 200) -> Answer:
    ctx = face_of(request).ctx
    names = await client_names(ctx, [view.client_id])
    return Answer(serialize.authorization(view, ctx.wall.now(), names), status)


@router.post(
    "/oauth/authorizations",
    status_code=201,
    openapi_extra=takes(CreateAuthorizationBody),
    responses=gives(shapes.Authorization, 201),
)
async def create(request: Request, actor: SigningIn) -> Answer:
    """Make a token. Only this answer holds it in full."""
    face, body = face_of(request), await read(request, CreateAuthorizationBody)
    life = None if body.expires_in is None else timedelta(seconds=body.expires_in)
    wanted = use.CreateAuthorization(body.description or _UNDESCRIBED, body.scope, life)
    return await _answer(
        request, await use.create_authorization(face.ctx, actor, wanted, default_life=face.token_life), 201
    )


@router.get("/oauth/authorizations", responses=gives(shapes.Authorization, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The valid tokens, with hints instead of the tokens themselves, and what OAuth clients were given."""
    ctx = face_of(request).ctx
    now, views = ctx.wall.now(), await use.list_authorizations(ctx, actor)
    names = await client_names(ctx, [view.client_id for view in views])
    return page(request, [serialize.authorization(view, now, names) for view in views])


@router.get("/oauth/authorizations/{authorization}", responses=gives(shapes.Authorization))
async def info(request: Request, actor: CurrentActor, authorization: str) -> Answer:
    """One of them. `~` is not found: it would be the account's one "API key", which we do not have."""
    if authorization == "~":  # with any other answer, the Heroku CLI does not dare to revoke its token at logout
        raise NotFound("authorization")
    return await _answer(request, await use.get_authorization(face_of(request).ctx, actor, authorization))


@router.patch(
    "/oauth/authorizations/{authorization}",
    openapi_extra=takes(UpdateAuthorizationBody),
    responses=gives(shapes.Authorization),
)
async def update(request: Request, actor: CurrentActor, authorization: str) -> Answer:
    """Change its description."""
    ctx, body = face_of(request).ctx, await read(request, UpdateAuthorizationBody)
    if body.description is None:
        return await _answer(request, await use.get_authorization(ctx, actor, authorization))
    return await _answer(request, await use.describe_authorization(ctx, actor, authorization, body.description))


@router.delete("/oauth/authorizations/{authorization}", responses=gives(shapes.Authorization))
async def revoke(request: Request, actor: CurrentActor, authorization: str) -> Answer:
    """End it at once."""
    return await _answer(request, await use.revoke_authorization(face_of(request).ctx, actor, authorization))


@router.post("/oauth/authorizations/{authorization}/actions/regenerate-tokens", responses=gives(shapes.Authorization))
async def rotate(request: Request, actor: CurrentActor, authorization: str) -> Answer:
    """Replace its token by a new one; the old one is void at once."""
    return await _answer(request, await use.renew_authorization(face_of(request).ctx, actor, authorization))
