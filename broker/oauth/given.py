"""Tokens for programs that speak the older form: JSON, and a client that is known by its secret alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidGrant, InvalidParams, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.issued import Issued, by_access_token
from broker.oauth.server import Parameters, Reply, answer_by_secret, converse

_REFUSALS: Final[dict[str, type[BrokerError]]] = {"invalid_grant": InvalidGrant, "invalid_client": Unauthorized}


@dataclass(frozen=True, slots=True)
class GivenTokens:
    """What a client was given, this once in full."""

    authorization_id: UUID
    user_id: UUID
    session_id: UUID | None
    access: Secret
    refresh: Secret | None
    expires_in: int
    at: datetime


async def give_tokens(ctx: Context, issuer: str, params: Parameters, client_secret: Secret) -> GivenTokens:
    """Tokens for a code or a refresh token.

    Raises: Unauthorized, InvalidGrant, InvalidParams.
    """
    reply = await answer_by_secret(ctx, issuer, params, client_secret)
    if "access_token" not in reply.body:
        raise _refusal(reply)
    access, refresh = reply.body["access_token"], reply.body.get("refresh_token")
    found = await converse(ctx, issuer, lambda server: by_access_token(server.talk, access))
    assert isinstance(found, Issued), "it was given this moment"
    return GivenTokens(
        found.id,
        found.user_id,
        found.session_id,
        Secret(access),
        None if refresh is None else Secret(refresh),
        reply.body["expires_in"],
        ctx.wall.now(),
    )


def _refusal(reply: Reply) -> BrokerError:
    word = str(reply.body.get("error", ""))
    said = str(reply.body.get("error_description") or word)
    return _REFUSALS.get(word, InvalidParams)(said)
