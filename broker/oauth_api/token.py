"""The token endpoint. Providers come without a `client_id`: they are known by their client secret together with a code.

Source: RFC 6749; Add-on Partner API, OAuth, whose parameters come as a form or in the query of an empty POST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request

from broker.addons.grants import PartnerTokens, exchange_grant, refresh_tokens
from broker.faces.answers import Answer
from broker.faces.reading import Bounds, read_bytes
from broker.kernel.context import Context
from broker.kernel.errors import BadRequest, BrokerError
from broker.kernel.secret import Secret
from broker.oauth_api.errors import UNCACHED, refusal, told

router = APIRouter(include_in_schema=False)

_MOST_PARAMETERS: Final = 50
_TOLD_LIFE_S: Final = 28_799
"""What providers are told of eight hours: a second less, as Heroku has it."""

Parameters = Mapping[str, str]


@router.post("/oauth/token")
async def token(request: Request) -> Answer:
    """Give tokens for a grant."""
    try:
        params = await parameters(request)
        if is_of_provider(request, params):
            return await _for_provider(request.app.state.ctx, params)
        return told("invalid_client", "There is no such client.", 401)
    except BrokerError as error:
        return refusal(error)


def is_of_provider(request: Request, params: Parameters) -> bool:
    """Whether an add-on's provider asks: neither the parameters nor the header name a client."""
    credentials = request.state.credentials
    return "client_id" not in params and (credentials is None or credentials.user is None)


async def parameters(request: Request) -> Parameters:
    """The parameters of the form, whatever its content type is said to be, or of the query if there is no body.

    Raises: BadRequest for what is no form, or names a parameter twice; PayloadTooLarge, RequestTimeout.
    """
    bounds: Bounds = request.app.state.bounds
    body = await read_bytes(request, bounds)
    raw = body if body.strip() else request.scope["query_string"]
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise BadRequest("Send the parameters as a form: `application/x-www-form-urlencoded`.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("A parameter may be there only once.")
    return {name: value for name, value in found.items() if value}


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
