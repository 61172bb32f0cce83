"""The authorization endpoint: what a client asks of a user, and the user's decision, which leads back to the client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from broker.kernel.context import Context
from broker.oauth.codes import Consented
from broker.oauth.consents import remember, remembered
from broker.oauth.conversation import KnownClient
from broker.oauth.scopes import EMAIL, OPENID, PROFILE, Reach, limited, parsed
from broker.oauth.server import OAuthRequest, Parameters, Reply, Server, converse
from broker.oauth.sessions import SignedIn

JUST_NOW: Final = timedelta(seconds=30)
"""Whoever signed in within it has just done so, whatever `max_age` says: less would ask for ever."""
_OPEN_IT: Final = "Open the dashboard from the marketplace: this sign-on is too old, or for somebody else."
_SILENT: Final = ("login_required", "access_denied")
"""Refusals that a client gets although nobody is signed in. Source: RFC 9700, section 4.11.2."""
_DIGITS: Final = 10


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


@dataclass(frozen=True, slots=True)
class Entry:
    """A dashboard that the user has just opened here: at which service, since when, and what the ID token says of it."""

    user_id: UUID
    service_id: UUID
    since: datetime
    claims: Mapping[str, Any]


class SignInNeeded(Exception):
    """Somebody has to sign in first."""


async def ask(
    ctx: Context, issuer: str, params: Parameters, who: SignedIn | None, entry: Entry | None = None
) -> Question | Reply:
    """What the client asks; or the reply at once, to a request that can't be granted or was granted before, and to the
    dashboard that the user is entering.

    Raises: SignInNeeded.
    """
    return await converse(ctx, issuer, lambda server: _Asking(server, params, who, entry).look())


async def decide(
    ctx: Context, issuer: str, params: Parameters, who: SignedIn, *, allow: bool, apps: Collection[UUID] | None = None
) -> Reply:
    """Carry the user's answer back to the client; `apps` limits it to those, of the ones that the client asks for."""
    return await converse(ctx, issuer, lambda server: _Asking(server, params, who).decide(allow, apps))


class _Asking:
    """One authorization request. Synchronous, for Authlib."""

    def __init__(self, server: Server, params: Parameters, who: SignedIn | None, entry: Entry | None = None) -> None:
        self._server = server
        self._params = params
        self._who = who
        self._entry = entry
        # Authlib words a refusal of other types with what the request said, which may be anything.
        usual = {**params, "response_type": "code"}
        self._request = OAuthRequest("GET", f"{server.talk.issuer}/oauth/authorize", usual)

    def look(self) -> Question | Reply:
        try:
            grant = self._grant()
            reach, prompts = parsed(self._request.scope), self._params.get("prompt", "").split()
            if grant.client.service_id is not None:
                return self._enter(grant, reach, prompts)
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
            nobody = self._who is None and self._entry is None
            if nobody and error.redirect_uri and error.error not in _SILENT:
                raise SignInNeeded from None  # else a link to here would lead anybody to whatever address is registered
            return self._refused(error)

    def decide(self, allow: bool, apps: Collection[UUID] | None) -> Reply:
        try:
            grant = self._grant()
            if not allow:
                return self._replied(self._server.create_authorization_response(self._request, None, grant))
            assert self._who is not None, "somebody has decided"
            if grant.client.service_id is not None:
                raise self._refusal(grant, "access_denied", _OPEN_IT)
            reach = _chosen(parsed(self._request.scope), apps)
            remember(self._server.talk, grant.client, self._who.actor.id, reach)
            return self._answer(grant, reach)
        except OAuth2Error as error:
            return self._refused(error)

    def _enter(self, grant: Any, reach: Reach, prompts: list[str]) -> Reply:
        """To a dashboard. The user has opened it, so there is nothing to ask: and it learns who it is, and gets at nothing."""
        if not {OPENID} <= set(reach.names) <= {OPENID, EMAIL, PROFILE} or reach.only_apps is not None:
            raise self._refusal(grant, "invalid_scope", "Dashboards ask for openid, email and profile, and no more.")
        entry = self._entry
        if entry is None or entry.service_id != grant.client.service_id:
            if self._who is None and "none" not in prompts:
                raise SignInNeeded
            raise self._refusal(grant, "login_required", _OPEN_IT)
        session = self._who.session_id if self._who and self._who.actor.id == entry.user_id else None
        given = Consented(entry.user_id, session, entry.since, reach, entry.claims)
        return self._replied(self._server.create_authorization_response(self._request, given, grant))

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
        silent, longest = "none" in prompts, self._max_age(grant)
        if silent and len(prompts) > 1:
            raise self._refusal(grant, "invalid_request", "The prompt none goes with no other.")
        needed = self._who is None or self._signed_in_before(timedelta(0) if "login" in prompts else longest)
        if needed and silent:
            raise self._refusal(grant, "login_required", "The user has to sign in.")
        return needed

    def _max_age(self, grant: Any) -> timedelta | None:
        text = self._params.get("max_age")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < _DIGITS):
            raise self._refusal(grant, "invalid_request", "The max_age must be a number of seconds.")
        return None if text is None else timedelta(seconds=int(text))

    def _signed_in_before(self, longest: timedelta | None) -> bool:
        assert self._who is not None, "somebody is signed in"
        return longest is not None and self._server.talk.now - self._who.since > max(longest, JUST_NOW)

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
