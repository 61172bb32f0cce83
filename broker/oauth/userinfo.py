"""What a client that signs somebody in may know of that person. Source: OpenID Connect Core 1.0, section 5.3."""

from __future__ import annotations

from typing import Any

from broker.kernel.context import Context
from broker.kernel.errors import Forbidden, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.conversation import Conversation
from broker.oauth.grants import about
from broker.oauth.issued import by_access_token
from broker.oauth.scopes import OPENID
from broker.oauth.server import converse


async def user_info(ctx: Context, issuer: str, token: Secret) -> dict[str, Any]:
    """The claims about the user whose access token it is.

    Raises: Unauthorized; Forbidden for a token without the scope `openid`; AccountLocked.
    """
    return await converse(ctx, issuer, lambda server: _claims(server.talk, token))


def _claims(talk: Conversation, token: Secret) -> dict[str, Any]:
    found = by_access_token(talk, token.reveal())
    if found is None or found.expired or found.is_revoked():
        raise Unauthorized("Invalid credentials provided.")
    if (refusal := talk.locked(found.user_id)) is not None:
        raise refusal
    person = talk.person(found.user_id)
    if OPENID not in found.reach.names or person is None:
        raise Forbidden("This token lacks the scope `openid`; use one that has it.")
    return about(person, found.reach.names)
