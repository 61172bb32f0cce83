"""OAuth clients: programs of third parties, managed by whoever registered them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field

from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.oauth import clients as use
from broker.oauth import redirects
from broker.platform_api import oauth_shapes as shapes
from broker.platform_api.bodies import Text, Truth, as_list
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["clients"], responses=REFUSED)

Name = Annotated[Text, Field(json_schema_extra={"minLength": 1, "maxLength": use.LONGEST_NAME})]
Uri = Annotated[Text, Field(json_schema_extra={"format": "uri", "maxLength": redirects.LONGEST})]
OwnScope = Annotated[Text, Field(json_schema_extra={"enum": list(use.OWN_SCOPES)})]


class ClientBody(Body):
    """A client. `redirect_uri` is the first of `redirect_uris`, for clients that know one only."""

    name: Name | None = None
    redirect_uri: Uri | None = None
    redirect_uris: Annotated[list[Uri], Field(max_length=redirects.MOST, json_schema_extra={"minItems": 1})] | None = (
        None
    )
    requires_pkce: Truth | None = None
    own_scopes: Annotated[list[OwnScope], BeforeValidator(as_list), Field(max_length=20)] | None = None

    def wishes(self, public: bool | None = None) -> use.ClientWishes:
        """What of it is wished."""
        one = None if self.redirect_uri is None else [self.redirect_uri]
        uris = self.redirect_uris if self.redirect_uris is not None else one
        if one and uris and one[0] != uris[0]:
            raise InvalidParams("redirect_uri: must be the first of redirect_uris, or be left out.")
        return use.ClientWishes(self.name, uris, public, self.requires_pkce, self.own_scopes)


class CreateClientBody(ClientBody):
    """A client to be made; a `public` one gets no secret."""

    public: Truth | None = None


@router.get("/oauth/clients", responses=gives(shapes.OAuthClient, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The clients of this account."""
    return page(request, [shown(view) for view in await use.list_clients(face_of(request).ctx, actor)])


@router.post(
    "/oauth/clients",
    status_code=201,
    openapi_extra=takes(CreateClientBody, required=True),
    responses=gives(shapes.OAuthClient, 201),
)
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Register a client. Only this answer holds its secret in full."""
    body = await read(request, CreateClientBody)
    return Answer(shown(await use.create_client(face_of(request).ctx, actor, body.wishes(body.public))), 201)


@router.get("/oauth/clients/{client}", responses=gives(shapes.OAuthClient))
async def info(request: Request, actor: CurrentActor, client: str) -> Answer:
    """One of them."""
    return Answer(shown(await use.get_client(face_of(request).ctx, actor, client)))


@router.patch("/oauth/clients/{client}", openapi_extra=takes(ClientBody), responses=gives(shapes.OAuthClient))
async def update(request: Request, actor: CurrentActor, client: str) -> Answer:
    """Change what the body names."""
    body = await read(request, ClientBody)
    return Answer(shown(await use.change_client(face_of(request).ctx, actor, client, body.wishes())))


@router.delete("/oauth/clients/{client}", responses=gives(shapes.OAuthClient))
async def destroy(request: Request, actor: CurrentActor, client: str) -> Answer:
    """End it, with every token that it holds."""
    return Answer(shown(await use.destroy_client(face_of(request).ctx, actor, client)))


@router.post("/oauth/clients/{client}/actions/rotate-credentials", responses=gives(shapes.OAuthClient))
async def rotate(request: Request, actor: CurrentActor, client: str) -> Answer:
    """Give it a new secret; the old one is void at once. What users have allowed stays."""
    return Answer(shown(await use.rotate_client(face_of(request).ctx, actor, client)))


def shown(view: use.ClientView) -> shapes.OAuthClient:
    """A client as its owner sees it."""
    return {
        "id": str(view.id),
        "name": view.name,
        "redirect_uri": view.redirect_uris[0],
        "secret": view.secret_hint if view.secret is None else view.secret.reveal(),
        "ignores_delinquent": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "redirect_uris": list(view.redirect_uris),
        "public": view.secret_hint is None,
        "requires_pkce": view.requires_pkce,
        "own_scopes": list(view.own_scopes),
    }
