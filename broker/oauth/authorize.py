"""The authorization endpoint: what a client asks of a user, and the user's decision, which leads back to the client."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from broker.kernel.context import Context
from broker.oauth.codes import Consented
from broker.oauth.consents import remember, remembered
from broker.oauth.conversation import KnownClient
from broker.oauth.scopes import Reach, limited, parsed
from broker.oauth.server import OAuthRequest, Parameters, Reply, Server, converse
from broker.oauth.sessions import SignedIn

JUST_NOW: Final = timedelta(seconds=30)
"""Whoever signed in within it has just done so, whatever `max_age` says: less would ask for ever."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the user is to decide."""

    client_id: UUID
    client_name: str
    returns_to: str
    """Host, or scheme of a program, that gets the answer."""
    answer_scheme: str
    on_this_machine: bool
    reach: Reach


class SignInNeeded(Exception):
    """Somebody has to sign in first."""


async def ask(ctx: Context, issuer: str, params: Parameters, who: SignedIn | None) -> Question | Reply:
    """What the client asks; or the reply at once, to a request that can't be granted or was granted before.

    Raises: SignInNeeded.
    """
    return await converse(ctx, issuer, lambda server: _Asking(server, params, who).look())


async def decide(
    ctx: Context, issuer: str, params: Parameters, who: SignedIn, *, allow: bool, apps: Collection[UUID] | None = None
) -> Reply:
    """Carry the user's answer back to the client; `apps` limits it to those, of the ones that the client asks for."""
    return await converse(ctx, issuer, lambda server: _Asking(server, params, who).decide(allow, apps))


class _Asking:
    """One authorization request. Synchronous, for Authlib."""

    def __init__(self, server: Server, params: Parameters, who: SignedIn | None) -> None:
        self._server = server
        self._params = params
        self._who = who
        # Authlib words a refusal of other types with what the request said, which may be anything.
        usual = {**params, "response_type": "code"}
        self._request = OAuthRequest("GET", f"{server.talk.issuer}/oauth/authorize", usual)

    def look(self) -> Question | Reply:
        try:
            grant = self._grant()
            reach, prompts = parsed(self._request.scope), self._params.get("prompt", "").split()
            if self._must_sign_in(grant, prompts):
                raise SignInNeeded
            assert self._who is not None, "somebody is signed in"
            known = remembered(self._server.talk, grant.client, self._who.actor.id)
            if known is not None and known.covers(reach.within(known)) and "consent" not in prompts:
                return self._answer(grant, reach.within(known))
            if "none" in prompts:
                raise self._refusal(grant, "consent_required", "The user has to be asked.")
            return _question(grant, reach)
        except OAuth2Error as error:
            return self._refused(error)

    def decide(self, allow: bool, apps: Collection[UUID] | None) -> Reply:
        try:
            grant = self._grant()
            if not allow:
                return self._replied(self._server.create_authorization_response(self._request, None, grant))
            assert self._who is not None, "somebody has decided"
            reach = _chosen(parsed(self._request.scope), apps)
            remember(self._server.talk, grant.client, self._who.actor.id, reach)
            return self._answer(grant, reach)
        except OAuth2Error as error:
            return self._refused(error)

    def _grant(self) -> Any:
        """The grant, if client, address, scope and proof are as they must be.

        Raises: OAuth2Error.
        """
        grant = self._server.get_consent_grant(self._request)
        if self._params.get("response_type") != "code":
            raise self._refusal(grant, "unsupported_response_type", "The only response_type is code.")
        if self._params.get("response_mode", "query") != "query":
            raise self._refusal(grant, "invalid_request", "The only response_mode is query.")
        for name in ("request", "request_uri"):
            if name in self._params:
                raise self._refusal(grant, f"{name}_not_supported", "Send plain parameters.")
        return grant

    def _must_sign_in(self, grant: Any, prompts: list[str]) -> bool:
        silent = "none" in prompts
        if silent and len(prompts) > 1:
            raise self._refusal(grant, "invalid_request", "The prompt none goes with no other.")
        needed = self._who is None or (not self._just_signed_in() and ("login" in prompts or self._too_long_ago(grant)))
        if needed and silent:
            raise self._refusal(grant, "login_required", "The user has to sign in.")
        return needed

    def _too_long_ago(self, grant: Any) -> bool:
        text = self._params.get("max_age")
        if text is None:
            return False
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self._refusal(grant, "invalid_request", "The max_age must be a number of seconds.")
        return self._signed_in_for() > timedelta(seconds=int(text))

    def _just_signed_in(self) -> bool:
        return self._signed_in_for() <= JUST_NOW

    def _signed_in_for(self) -> timedelta:
        assert self._who is not None, "somebody is signed in"
        return self._server.talk.now - self._who.since

    def _answer(self, grant: Any, reach: Reach) -> Reply:
        assert self._who is not None, "somebody is signed in"
        given = Consented(self._who.actor.id, self._who.session_id, self._who.since, reach)
        return self._replied(self._server.create_authorization_response(self._request, given, grant))

    def _refusal(self, grant: Any, word: str, description: str) -> OAuth2Error:
        state = self._params.get("state")
        return OAuth2Error(description, error=word, redirect_uri=grant.redirect_uri, state=state)

    def _refused(self, error: OAuth2Error) -> Reply:
        return self._replied(self._server.handle_error_response(self._request, error))

    @staticmethod
    def _replied(reply: Any) -> Reply:
        assert isinstance(reply, Reply)
        return reply


def _question(grant: Any, reach: Reach) -> Question:
    client: KnownClient = grant.client
    parts = urlsplit(grant.redirect_uri)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost") or parts.scheme not in ("http", "https")
    return Question(client.id, client.name, parts.netloc or f"{parts.scheme}:", parts.scheme, local, reach)


def _chosen(reach: Reach, apps: Collection[UUID] | None) -> Reach:
    """What was asked for, on the apps that the user has chosen: never on one that was not asked for."""
    if apps is None:
        return reach
    within = set(apps) if reach.only_apps is None else set(apps) & reach.only_apps
    if not within:
        raise InvalidRequestError("No app was chosen.")
    return limited(reach.names, within)
