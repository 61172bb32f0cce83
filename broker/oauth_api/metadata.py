"""What clients can find out by themselves: endpoints, abilities, and the keys that sign ID tokens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.oauth.grants import EVERYBODY, EXCHANGE, WITH_SECRET
from broker.oauth.scopes import SENTENCES
from broker.oauth.signing import ALGORITHM, public_keys

router = APIRouter(include_in_schema=False)


@router.get("/.well-known/oauth-authorization-server")
@router.get("/.well-known/openid-configuration")
async def metadata(request: Request) -> Answer:
    """One document for both: OpenID Connect reads a superset. Source: RFC 8414; OpenID Connect Discovery 1.0."""
    return Answer(described(request.app.state.face.public_url))


@router.get("/oauth/jwks")
async def keys(request: Request) -> Answer:
    """The public keys. Source: RFC 7517."""
    return Answer({"keys": list(await public_keys(request.app.state.ctx))})


def described(issuer: str) -> dict[str, Any]:
    """The document of the server that goes by this address."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": [str(name) for name in SENTENCES],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", EXCHANGE],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": EVERYBODY,
        "revocation_endpoint_auth_methods_supported": EVERYBODY,
        "introspection_endpoint_auth_methods_supported": WITH_SECRET,
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "email",
                             "email_verified", "name"],
    }  # fmt: skip
