"""The authorization server: Authlib's core on one open transaction. Faces bring parameters and carry answers away.

Authlib is synchronous, so it runs inside `run_sync` of the transaction that the use case has opened; a server is made for
each request, which costs microseconds and leaves nothing to share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import AuthorizationServer, InsecureTransportError, OAuth2Payload, OAuth2Request

from broker.accounts.tokens import token_hash
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.codes import signs_in
from broker.oauth.conversation import Conversation, Fact, KnownClient
from broker.oauth.endpoints import Introspection, Revocation
from broker.oauth.grants import CodeGrant, ExchangeGrant, OwnGrant, Pkce, RefreshGrant, wanted_reach
from broker.oauth.signing import Signer, signer

T = TypeVar("T")
Parameters = Mapping[str, str]
"""What a request says, each name once."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answers: a JSON body, or a redirect in the headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def location(self) -> str | None:
        """Where the browser is sent."""
        return self.headers.get("Location")


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no annotations
    def __init__(self, params: Parameters) -> None:
        self._data = dict(params)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class OAuthRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no annotations
    """A request in Authlib's shape. Form and query are one: the faces read the one that the endpoint allows.

    Raises: Forbidden over a plain connection to another machine.
    """

    def __init__(self, method: str, uri: str, params: Parameters, authorization: str | None = None) -> None:
        try:
            super().__init__(method, uri, headers={"Authorization": authorization} if authorization else {})
        except InsecureTransportError:
            raise Forbidden("OAuth needs https: the broker has to be reached under an address with it.") from None
        self.payload = _Payload(params)

    @property
    def args(self) -> dict[str, str]:
        return self.payload.data

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no annotations
    """Authlib's server with our grants, for one conversation."""

    def __init__(self, talk: Conversation) -> None:
        super().__init__()
        self.talk = talk
        self.register_grant(CodeGrant, [Pkce(required=False)])
        for grant in (RefreshGrant, OwnGrant, ExchangeGrant):
            self.register_grant(grant)
        for endpoint in (Revocation, Introspection):
            self.register_endpoint(endpoint)

    def query_client(self, client_id: str) -> KnownClient | None:
        return self.talk.client(client_id)

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        return request

    def validate_requested_scope(self, scope: str | None) -> None:
        wanted_reach(scope or "")

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        """Redirects say who sends them, refusals too. Source: RFC 9207."""
        found = dict(headers)
        if "Location" in found:
            found["Location"] = add_params_to_uri(found["Location"], {"iss": self.talk.issuer})
        return Reply(status, dict(body or {}), found)

    def send_signal(self, name: str, *_: Any, **__: Any) -> None:
        """Nobody listens: what happens is recorded as events."""


async def answer_token(ctx: Context, issuer: str, params: Parameters, authorization: str | None) -> Reply:
    """Answer a client at the token endpoint. `authorization` is the header in which it may name itself."""
    request = OAuthRequest("POST", f"{issuer}/oauth/token", params, authorization)
    signs = await signer(ctx) if await _signs_in(ctx, params) else None
    return await converse(ctx, issuer, lambda server: _reply(server.create_token_response(request)), signs)


async def _signs_in(ctx: Context, params: Parameters) -> bool:
    """Whether the answer will hold an ID token. Looked up before, because making a key takes long."""
    async with ctx.database.transaction() as tx:
        return await tx.run_sync(lambda connection: signs_in(connection, params.get("code", "")))


async def answer_by_secret(ctx: Context, issuer: str, params: Parameters, client_secret: Secret) -> Reply:
    """The same for programs that name their client by nothing but its secret.

    Raises: Unauthorized.
    """
    async with ctx.database.transaction() as tx:
        talk = Conversation(_sync(tx), ctx.wall.now(), issuer)
        client = await tx.run_sync(lambda _: talk.client_by_secret(token_hash(client_secret.reveal())))
    if client is None:
        raise Unauthorized("There is no OAuth client with this secret.")
    named = {"client_id": str(client.id), "client_secret": client_secret.reveal()}
    return await answer_token(ctx, issuer, {**params, **named}, None)


async def revoke_token(ctx: Context, issuer: str, params: Parameters, authorization: str | None) -> Reply:
    """Answer a client that gives a token back. Source: RFC 7009."""
    return await _answer_endpoint(ctx, issuer, "revocation", params, authorization)


async def introspect_token(ctx: Context, issuer: str, params: Parameters, authorization: str | None) -> Reply:
    """Tell a client about a token of its own. Source: RFC 7662."""
    return await _answer_endpoint(ctx, issuer, "introspection", params, authorization)


async def _answer_endpoint(
    ctx: Context, issuer: str, name: str, params: Parameters, authorization: str | None
) -> Reply:
    request = OAuthRequest("POST", f"{issuer}/oauth/{name}", params, authorization)
    return await converse(ctx, issuer, lambda server: _reply(server.create_endpoint_response(name, request)))


async def converse(ctx: Context, issuer: str, talk_to: Callable[[Server], T], signs: Signer | None = None) -> T:
    """Let Authlib answer inside a transaction of its own, and record what happened in it.

    Transactions: one, committed also when the answer is a refusal: a replay is refused and revokes.
    """
    async with ctx.database.transaction() as tx:
        talk = Conversation(_sync(tx), ctx.wall.now(), issuer, signs, ctx.rules.contact)
        answer = await tx.run_sync(lambda _: talk_to(Server(talk)))
        await _record(tx, talk)
        return answer


async def _record(tx: Tx, talk: Conversation) -> None:
    for fact in talk.granted:
        client, authorization = str(fact.client_id), str(fact.authorization_id)
        await emit(tx, "authorization.granted", _holder(fact), talk.now, authorization=authorization, client=client)
    for fact in talk.revoked:
        client, authorization = str(fact.client_id), str(fact.authorization_id)
        await emit(
            tx,
            "authorization.revoked",
            _holder(fact),
            talk.now,
            authorization=authorization,
            client=client,
            reason=fact.reason,
        )


def _holder(fact: Fact) -> Actor:
    """The client, in the name of the user whom it concerns."""
    return Actor(fact.user_id, fact.user_email, frozenset(), client_id=fact.client_id)


def _sync(tx: Tx) -> Any:
    assert tx.sync_connection is not None, "the transaction is open"
    return tx.sync_connection


def _reply(answer: Any) -> Reply:
    assert isinstance(answer, Reply)
    return answer
