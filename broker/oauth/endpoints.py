"""Giving tokens back and asking about them, as Authlib's classes. A token of another client answers like one that is unknown."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from broker.oauth.conversation import KnownClient
from broker.oauth.grants import EVERYBODY, WITH_SECRET
from broker.oauth.issued import Issued, by_access_token, by_refresh_token, revoke


def _own_token(endpoint: Any, request: Any, client: KnownClient) -> Issued | None:
    """The token that is asked about, of either kind: the hint of its kind would save nothing."""
    text = request.form.get("token")
    if text is None:
        raise InvalidRequestError("The parameter token is missing.")
    talk = endpoint.server.talk
    found = by_access_token(talk, text) or by_refresh_token(talk, text)
    return found if found is not None and found.check_client(client) else None


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no annotations
    """Either token ends the whole authorization: its user was told that it ends, not that half of it does."""

    CLIENT_AUTH_METHODS = EVERYBODY

    def authenticate_token(self, request: Any, client: KnownClient) -> Issued | None:
        return _own_token(self, request, client)

    def revoke_token(self, token: Issued, request: Any) -> None:
        revoke(self.server.talk, token, "revoked_by_client")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no annotations
    """Clients ask about their own tokens."""

    CLIENT_AUTH_METHODS = WITH_SECRET

    def authenticate_token(self, request: Any, client: KnownClient) -> Issued | None:
        """None also for what is refused everywhere else, because its user is locked out."""
        found = _own_token(self, request, client)
        return None if found is not None and self.server.talk.locked(found.user_id) else found

    def introspect_token(self, token: Issued) -> dict[str, Any]:
        told = {
            "active": True,
            "iss": self.server.talk.issuer,
            "client_id": str(token.client_id),
            "sub": str(token.user_id),
            "username": token.user_email,
            "scope": token.get_scope(),
            "token_type": "refresh_token" if token.refresh_id else "Bearer",
        }
        if token.refresh_id is None:
            told |= {"iat": int(token.issued_at.timestamp()), "exp": int(token.expires_at.timestamp())}
        return told
