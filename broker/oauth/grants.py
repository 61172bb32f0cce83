"""The grants of the token endpoint, as Authlib's classes: what is checked is Authlib's, what is stored is in `issued.py`, `codes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, grants
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc7636 import CodeChallenge

from broker.accounts.tokens import ACCESS_PREFIX, REFRESH_PREFIX, new_token
from broker.oauth.codes import Code, Consented, fetchable, new_code, save_code, use_up
from broker.oauth.conversation import Conversation, KnownClient, Person
from broker.oauth.issued import (
    ACCESS_LIFE,
    EXCHANGED_LIFE,
    Grantee,
    Issued,
    by_access_token,
    issue,
    renew,
    renew_narrowed,
    to_be_refreshed,
)
from broker.oauth.scopes import EMAIL, OFFLINE, OPENID, PROFILE, Reach, UnknownScope, parsed

WITH_SECRET: Final = ["client_secret_basic", "client_secret_post"]
EVERYBODY: Final = [*WITH_SECRET, "none"]
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"


def new_tokens(reach: Reach, *, refresh: bool, life_s: float | None = None) -> dict[str, Any]:
    """Fresh tokens, as the answer of the token endpoint tells them."""
    token: dict[str, Any] = {
        "token_type": "Bearer",
        "access_token": new_token(ACCESS_PREFIX).reveal(),
        "expires_in": int(ACCESS_LIFE.total_seconds() if life_s is None else life_s),
        "scope": reach.text(),
    }
    return token | ({"refresh_token": new_token(REFRESH_PREFIX).reveal()} if refresh else {})


def wanted_reach(text: str) -> Reach:
    """What a `scope` parameter asks for.

    Raises: InvalidScopeError.
    """
    try:
        return parsed(text)
    except UnknownScope:
        raise InvalidScopeError from None


def about(person: Person, names: tuple[str, ...]) -> dict[str, Any]:
    """What these scopes tell a client of a person. Accounts are made by whoever runs the broker, who vouches for the address."""
    claims: dict[str, Any] = {"sub": str(person.id)}
    if EMAIL in names:
        claims |= {"email": person.email, "email_verified": True}
    if PROFILE in names and person.name:
        claims["name"] = person.name
    return claims


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no annotations
    """A code for tokens, once."""

    TOKEN_ENDPOINT_AUTH_METHODS = EVERYBODY

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: KnownClient) -> str:
        """Only what is registered; whoever asks for another address is told so here, and is never sent there."""
        asked = request.payload.redirect_uri or client.get_default_redirect_uri()
        if asked is None:
            raise InvalidRequestError("The parameter redirect_uri is missing, and the client has more than one.")
        if not client.check_redirect_uri(asked):
            raise InvalidRequestError("The redirect_uri is none that is registered for this client.")
        return str(asked)

    def generate_authorization_code(self) -> str:
        return new_code()

    def save_authorization_code(self, code: str, request: Any) -> None:
        given: Consented = request.user
        save_code(_talk(self), code, request.client, given, request.payload.data)

    def query_authorization_code(self, code: str, client: KnownClient) -> Code | None:
        return fetchable(_talk(self), code, client)

    def authenticate_user(self, authorization_code: Code) -> Person | None:
        return _talk(self).person(authorization_code.user_id)

    def generate_token(self, **_: Any) -> dict[str, Any]:
        reach = self._code.reach
        # Signing in is over when it is done; who wants to stay connected says so. Older programs know no such scope.
        return new_tokens(reach, refresh=OPENID not in reach.names or OFFLINE in reach.names)

    def save_token(self, token: dict[str, Any]) -> None:
        """Store it, and add what only the answer tells."""
        talk, code = _talk(self), self._code
        grantee = Grantee(self.request.client, code.user_id, code.reach, code.session_id)
        use_up(talk, code, issue(talk, grantee, token))
        if OPENID in code.reach.names:
            token["id_token"] = self._id_token(token)
        token["user_id"] = str(code.user_id)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """It is kept, so that it is known when it comes again."""

    def _id_token(self, token: Mapping[str, Any]) -> str:
        talk, code = _talk(self), self._code
        assert talk.signer is not None, "whoever redeems codes brings a signer"
        claims = {
            **code.claims,
            "iss": talk.issuer,
            "aud": self.request.client.get_client_id(),
            "auth_time": int(code.signed_in_at.timestamp()),
            **({"nonce": code.nonce} if code.nonce else {}),
            **about(self.request.user, code.reach.names),
        }
        return talk.signer.id_token(claims, talk.now, token["access_token"])

    @property
    def _code(self) -> Code:
        code: Code = self.request.authorization_code
        return code


class Pkce(CodeChallenge):  # type: ignore[misc]  # Authlib has no annotations
    """Proof by S256 alone; needed unless a client with a secret was registered without. Source: RFC 7636, RFC 9700."""

    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]
    _S256_LENGTH: Final = 43

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        client: KnownClient = grant.request.client
        data = grant.request.payload.data
        challenge = data.get("code_challenge")
        if challenge is None and (client.public or client.requires_pkce):
            raise InvalidRequestError("The parameter code_challenge is missing: this client must use PKCE with S256.")
        if challenge is not None and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("The code_challenge_method must be S256.")
        if challenge is not None and len(challenge) != self._S256_LENGTH:
            raise InvalidRequestError("The code_challenge is no S256 challenge.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:
        return "S256"


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no annotations
    """A refresh token for a new pair."""

    TOKEN_ENDPOINT_AUTH_METHODS = EVERYBODY

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        return to_be_refreshed(_talk(self), self.request.client, refresh_token)

    def authenticate_user(self, refresh_token: Issued) -> Person | None:
        return _talk(self).person(refresh_token.user_id)

    def _validate_token_scope(self, token: Issued) -> None:
        if not token.reach.covers(self._wanted(token)):
            raise InvalidScopeError

    def issue_token(self, user: Person, refresh_token: Issued) -> dict[str, Any]:
        return new_tokens(self._wanted(refresh_token), refresh=True)

    def save_token(self, token: dict[str, Any]) -> None:
        issued: Issued = self.request.refresh_token
        wanted = self._wanted(issued)
        if wanted == issued.reach:
            renew(_talk(self), issued, token)
        else:
            renew_narrowed(_talk(self), issued, self.request.client, wanted, token)
        token["user_id"] = str(issued.user_id)

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        """Done with the saving of the new one."""

    def _wanted(self, token: Issued) -> Reach:
        scope = self.request.payload.scope
        return wanted_reach(scope).within(token.reach) if scope else token.reach


class OwnGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no annotations
    """A client acts for itself, which is: in its owner's name, as far as the owner has set."""

    TOKEN_ENDPOINT_AUTH_METHODS = WITH_SECRET

    def validate_requested_scope(self) -> None:
        if not Reach(tuple(self.request.client.own_scopes)).covers(self._wanted()):
            raise InvalidScopeError

    def generate_token(self, **_: Any) -> dict[str, Any]:
        return new_tokens(self._wanted(), refresh=False)

    def save_token(self, token: dict[str, Any]) -> None:
        client: KnownClient = self.request.client
        issue(_talk(self), Grantee(client, client.owner_id, self._wanted()), token)

    def _wanted(self) -> Reach:
        return wanted_reach(self.request.payload.scope or " ".join(self.request.client.own_scopes))


class ExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib has no annotations
    """An access token for one that reaches less, to be handed on within the client. Source: RFC 8693."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = EVERYBODY
    _UNKNOWN: Final = ("actor_token", "actor_token_type", "resource", "audience")

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        data = self.request.payload.data
        if any(name in data for name in self._UNKNOWN):
            raise InvalidRequestError("Narrow the token by scope, with app:ID for single apps; nothing else is known.")
        if data.get("subject_token_type") != ACCESS_TYPE:
            raise InvalidRequestError("The subject_token_type must be that of an access token.")
        if data.get("requested_token_type", ACCESS_TYPE) != ACCESS_TYPE:
            raise InvalidRequestError("Only access tokens can be requested.")
        self._subject = self._found(data.get("subject_token", ""))
        scope = self.request.payload.scope
        self._reach = wanted_reach(scope).within(self._subject.reach) if scope else self._subject.reach
        if not self._subject.reach.covers(self._reach):
            raise InvalidScopeError

    def _found(self, token: str) -> Issued:
        found = by_access_token(_talk(self), token)
        if found is None or not found.check_client(self.request.client) or found.expired or found.is_revoked():
            raise InvalidRequestError("The subject_token is no valid access token of this client.")
        return found

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        talk, subject = _talk(self), self._subject
        left = (subject.expires_at - talk.now).total_seconds()
        token = new_tokens(self._reach, refresh=False, life_s=min(left, EXCHANGED_LIFE.total_seconds()))
        origin = subject.parent_id or subject.id
        issue(talk, Grantee(self.request.client, subject.user_id, self._reach, subject.session_id, origin), token)
        return 200, {**token, "issued_token_type": ACCESS_TYPE}, self.TOKEN_RESPONSE_HEADER


def _talk(grant: Any) -> Conversation:
    talk: Conversation = grant.server.talk
    return talk
