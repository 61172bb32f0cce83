"""The token endpoint in the older form of the Platform API. Programs of today use `/oauth/token`."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.kernel.secret import Secret
from broker.oauth.given import GivenTokens, give_tokens
from broker.oauth.issued import REFRESH_LIFE
from broker.platform_api import oauth_shapes as shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["tokens"], responses=REFUSED)


class GrantPart(Body):
    """What is given for the tokens. `code_verifier` and `redirect_uri` are outside the public schema."""

    type: Literal["authorization_code", "refresh_token"]
    code: Text | None = None
    code_verifier: Text | None = None
    redirect_uri: Text | None = None


class ClientPart(Body):
    """Who asks."""

    secret: Text


class RefreshPart(Body):
    """The token to be renewed."""

    token: Text


class CreateTokenBody(Body):
    """A code or a refresh token, with the secret of the client whose it is."""

    grant: GrantPart
    client: ClientPart
    refresh_token: RefreshPart | None = None


@router.post(
    "/oauth/tokens",
    status_code=201,
    openapi_extra=takes(CreateTokenBody, required=True),
    responses=gives(shapes.OAuthToken, 201),
)
async def create(request: Request) -> Answer:
    """Give tokens for a code or a refresh token. Only this answer holds them in full."""
    face, body = face_of(request), await read(request, CreateTokenBody)
    given = await give_tokens(face.ctx, face.public_url, _parameters(body), Secret(body.client.secret))
    return Answer(_shown(given), 201, {"Cache-Control": "no-store"})


def _parameters(body: CreateTokenBody) -> dict[str, str]:
    if body.grant.type == "refresh_token":
        if body.refresh_token is None:
            raise InvalidParams("refresh_token: is required.")
        return {"grant_type": body.grant.type, "refresh_token": body.refresh_token.token}
    if body.grant.code is None:
        raise InvalidParams("grant.code: is required.")
    more = {"code_verifier": body.grant.code_verifier, "redirect_uri": body.grant.redirect_uri}
    named = {name: value for name, value in more.items() if value is not None}
    return {"grant_type": body.grant.type, "code": body.grant.code, **named}


def _shown(given: GivenTokens) -> shapes.OAuthToken:
    own = str(given.authorization_id)
    life = int(REFRESH_LIFE.total_seconds())
    refresh = given.refresh
    return {
        "id": own,
        "access_token": {"id": own, "token": given.access.reveal(), "expires_in": given.expires_in},
        "refresh_token": None if refresh is None else {"id": own, "token": refresh.reveal(), "expires_in": life},
        "authorization": {"id": own},
        "client": None,
        "grant": None,
        "session": None if given.session_id is None else {"id": str(given.session_id)},
        "user": {"id": str(given.user_id)},
        "created_at": rfc3339(given.at),
        "updated_at": rfc3339(given.at),
    }
