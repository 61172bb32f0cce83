"""Sign-on by OpenID Connect, for services whose manifest says `"sso": "oidc"`. The marketplace begins it and vouches for the
user in an ID token. No secret is shared: the client is public, and proves by PKCE that it is the one who asked.

Source: OpenID Connect Core 1.0, sections 3.1 and 4; RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from providers.kit import sso
from providers.kit.app import Kit, KitOf, let_in
from providers.kit.secrets import ProviderKey
from providers.kit.sso import SignOnRefused

BEGIN, CALLBACK = "/sso/login", "/sso/callback"
COOKIE = "sign_on_begun"
LIFE_S = 600
_SAY = "Please open the dashboard from the marketplace."


@dataclass(frozen=True)
class Begun:
    """A sign-on on its way: it travels as `state`, signed, and the proofs follow from it."""

    client_id: str
    path: str
    expires_at: int
    salt: str

    def seal(self, key: ProviderKey) -> str:
        body = _encode(json.dumps([self.client_id, self.path, self.expires_at, self.salt]).encode())
        return f"{body}.{_proof(key, 'state', body)}"

    @classmethod
    def unseal(cls, state: str, key: ProviderKey, now: datetime) -> Begun:
        """Raises: SignOnRefused for a state that is not ours, or too old."""
        body, _, seal = state.partition(".")
        if not hmac.compare_digest(seal.encode(), _proof(key, "state", body).encode()):
            raise SignOnRefused(f"This sign-on was not begun here. {_SAY}")
        begun = cls(*json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
        if begun.expires_at < now.timestamp():
            raise SignOnRefused(f"This sign-on took too long. {_SAY}")
        return begun


@dataclass(frozen=True)
class Marketplace:
    """The one issuer that is believed. `transport` is how it is reached, if not over the network."""

    issuer: str
    transport: httpx.AsyncBaseTransport | None = None

    async def endpoints(self) -> Mapping[str, Any]:
        """What it says of itself."""
        async with self._client() as client:
            found: Mapping[str, Any] = (await client.get("/.well-known/openid-configuration")).raise_for_status().json()
        return found

    async def redeem(self, form: Mapping[str, str], now: datetime) -> Mapping[str, Any]:
        """The claims of the ID token that a code is good for, its signature and the usual claims checked.

        Raises: SignOnRefused.
        """
        found = await self.endpoints()
        async with self._client() as client:
            answer = await client.post(found["token_endpoint"], data=dict(form))
            keys = (await client.get(found["jwks_uri"])).raise_for_status().json()
        if answer.status_code != 200:
            raise SignOnRefused(f"The marketplace did not confirm this sign-on. {_SAY}")
        try:
            token = jwt.decode(answer.json()["id_token"], KeySet.import_key_set(keys), ["RS256"])
            rules = jwt.JWTClaimsRegistry(
                lambda: int(now.timestamp()),
                leeway=60,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": form["client_id"]},
                exp={"essential": True},
                sub={"essential": True},
                addon={"essential": True},
            )
            rules.validate(token.claims)
        except (JoseError, ValueError, KeyError):
            raise SignOnRefused(f"The marketplace's word could not be verified. {_SAY}") from None
        return token.claims

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.issuer, transport=self.transport, timeout=10, trust_env=False)


def sign_on_pages(marketplace: Marketplace, public_url: str) -> APIRouter:
    """The two pages of sign-on. `public_url` is this provider's origin; the manifest has it with `/sso/login` as `sso_url` and
    with `/sso/callback` in `sso_redirect_uris`.
    """
    pages = APIRouter()
    callback = f"{public_url}{CALLBACK}"

    @pages.get(BEGIN)
    async def begin(
        request: Request, kit: KitOf, iss: str, client_id: str, login_hint: str, target_link_uri: str = ""
    ) -> Response:
        """Ask the marketplace for a code."""
        if iss != marketplace.issuer:
            raise SignOnRefused("This is not the marketplace that we know.")
        state = _begun(kit, client_id, target_link_uri).seal(kit.key)
        asked = {
            "response_type": "code",
            "scope": "openid email",
            "client_id": client_id,
            "redirect_uri": callback,
            "login_hint": login_hint,
            "state": state,
            "nonce": _proof(kit.key, "nonce", state),
            "code_challenge": _encode(hashlib.sha256(_proof(kit.key, "verifier", state).encode()).digest()),
            "code_challenge_method": "S256",
        }
        authorize = (await marketplace.endpoints())["authorization_endpoint"]
        answer = RedirectResponse(f"{authorize}?{urlencode(asked)}", 303, {"Cache-Control": "no-store"})
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, state, max_age=LIFE_S, path="/sso", httponly=True, samesite="lax", secure=secure)
        return answer

    @pages.get(CALLBACK)
    async def end(request: Request, kit: KitOf, state: str = "", code: str = "", error: str = "") -> Response:
        """Let in whom the marketplace vouches for."""
        if not hmac.compare_digest(state.encode(), request.cookies.get(COOKIE, "").encode()):
            raise SignOnRefused(f"This sign-on was begun in another browser. {_SAY}")
        begun = Begun.unseal(state, kit.key, kit.clock())
        if error or not code:
            raise SignOnRefused(f"The marketplace did not let you in. {_SAY}")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "client_id": begun.client_id,
            "code_verifier": _proof(kit.key, "verifier", state),
        }
        claims = await marketplace.redeem(form, kit.clock())
        if not hmac.compare_digest(str(claims.get("nonce")).encode(), _proof(kit.key, "nonce", state).encode()):
            raise SignOnRefused(f"The marketplace's word is about another sign-on. {_SAY}")
        resource = kit.store.get(UUID(str(claims["addon"])))
        answer = let_in(request, kit, resource, sso.User(claims["sub"], claims.get("email", "")), begun.path)
        answer.delete_cookie(COOKIE, path="/sso")
        return answer

    return pages


def _begun(kit: Kit, client_id: str, target: str) -> Begun:
    parts = urlsplit(target)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    expires_at = int(kit.clock().timestamp()) + LIFE_S
    return Begun(client_id, "" if parts.path == BEGIN else sso.path_in(path), expires_at, secrets.token_urlsafe(16))


def _proof(key: ProviderKey, what: str, of: str) -> str:
    return _encode(key.sign(f"oidc-{what}:{of}".encode()))


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
