"""Requests of registered clients: for tokens, giving them back, asking about them, and about the user they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.faces.credentials import Credentials
from broker.kernel.errors import BadRequest, BrokerError, Unauthorized
from broker.oauth.server import Reply, answer_token, introspect_token, revoke_token
from broker.oauth.userinfo import user_info
from broker.oauth_api.errors import UNCACHED, refusal
from broker.oauth_api.parameters import parameters

router = APIRouter(include_in_schema=False)


async def give_tokens(request: Request, params: Mapping[str, str]) -> Answer:
    """Tokens for a client that names itself.

    Raises: BadRequest for a secret in an address, which ends in logs; Forbidden.
    """
    _refuse_query(request)
    return told(await answer_token(request.app.state.ctx, _issuer(request), params, _authorization(request)))


@router.post("/oauth/revoke")
async def revoke(request: Request) -> Answer:
    """End an authorization, by any of its tokens. Source: RFC 7009."""
    try:
        _refuse_query(request)
        params = await parameters(request)
        return told(await revoke_token(request.app.state.ctx, _issuer(request), params, _authorization(request)))
    except BrokerError as error:
        return refusal(error)


@router.post("/oauth/introspect")
async def introspect(request: Request) -> Answer:
    """Whether a token of the client is valid, and for what. Source: RFC 7662."""
    try:
        _refuse_query(request)
        params = await parameters(request)
        return told(await introspect_token(request.app.state.ctx, _issuer(request), params, _authorization(request)))
    except BrokerError as error:
        return refusal(error)


@router.get("/oauth/userinfo")
@router.post("/oauth/userinfo")
async def userinfo(request: Request) -> Answer:
    """Who the user is, for a token with the scope `openid`."""
    credentials: Credentials | None = request.state.credentials
    try:
        if credentials is None:
            raise Unauthorized("Send the access token: `Authorization: Bearer TOKEN`.")
        claims = await user_info(request.app.state.ctx, _issuer(request), credentials.secret)
        request.state.vouch()
        return Answer(claims, headers=UNCACHED)
    except BrokerError as error:
        answer = refusal(error)
        answer.headers["WWW-Authenticate"] = _CHALLENGE.get(answer.status_code, "Bearer")
        return answer


_CHALLENGE: Final = {
    401: 'Bearer realm="broker", error="invalid_token"',
    403: 'Bearer realm="broker", error="insufficient_scope", scope="openid"',
}


def told(reply: Reply) -> Answer:
    """The answer, as the server words it; no cache may keep it."""
    extra = {name: value for name, value in reply.headers.items() if name == "WWW-Authenticate"}
    return Answer(dict(reply.body), reply.status, UNCACHED | extra)


def _refuse_query(request: Request) -> None:
    """Addresses end in logs, and parameters here are secrets.

    Raises: BadRequest.
    """
    if request.scope["query_string"]:
        raise BadRequest("Send the parameters in the body of the request, not in its address.")


def _authorization(request: Request) -> str | None:
    return request.headers.get("authorization")


def _issuer(request: Request) -> str:
    url: str = request.app.state.face.public_url
    return url
