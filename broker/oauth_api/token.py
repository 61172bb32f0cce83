"""The token endpoint. Providers come without a `client_id`: they are known by their client secret together with a code.

Source: RFC 6749; Add-on Partner API, OAuth, whose parameters come as a form or in the query of an empty POST.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from broker.addons.grants import PartnerTokens, exchange_grant, refresh_tokens
from broker.faces.answers import Answer
from broker.kernel.context import Context
from broker.kernel.errors import BadRequest, BrokerError
from broker.kernel.secret import Secret
from broker.oauth_api.clients import give_tokens
from broker.oauth_api.errors import UNCACHED, refusal, told
from broker.oauth_api.parameters import Parameters, parameters

router = APIRouter(include_in_schema=False)

_TOLD_LIFE_S: Final = 28_799
"""What providers are told of eight hours: a second less, as Heroku has it."""


@router.post("/oauth/token")
async def token(request: Request) -> Answer:
    """Give tokens for a grant."""
    try:
        params = await parameters(request)
        if is_of_provider(request, params):
            return await _for_provider(request.app.state.ctx, params)
        return await give_tokens(request, params)
    except BrokerError as error:
        return refusal(error)


def is_of_provider(request: Request, params: Parameters) -> bool:
    """Whether an add-on's provider asks: neither the parameters nor the header name a client."""
    credentials = request.state.credentials
    return "client_id" not in params and (credentials is None or credentials.user is None)


async def _for_provider(ctx: Context, params: Parameters) -> Answer:
    kind = params.get("grant_type")
    if kind == "authorization_code":
        return _given(await exchange_grant(ctx, _secret(params, "code"), _secret(params, "client_secret")))
    if kind == "refresh_token":
        return _given(await refresh_tokens(ctx, _secret(params, "refresh_token"), _secret(params, "client_secret")))
    if kind is None:
        raise BadRequest("The parameter `grant_type` is missing.")
    return told("unsupported_grant_type", "Without a client_id, only authorization_code and refresh_token are known.")


def _secret(params: Parameters, name: str) -> Secret:
    value = params.get(name)
    if value is None:
        raise BadRequest(f"The parameter `{name}` is missing.")
    return Secret(value)


def _given(tokens: PartnerTokens) -> Answer:
    shown = {
        "access_token": tokens.access.reveal(),
        "refresh_token": tokens.refresh.reveal(),
        "token_type": "Bearer",
        "expires_in": _TOLD_LIFE_S,
        "user_id": str(tokens.service_id),
        "session_nonce": None,
    }
    return Answer(shown, headers=UNCACHED)
