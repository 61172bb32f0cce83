"""The JSON shapes of OAuth: clients, sessions, and tokens in their older form."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class OAuthClient(TypedDict):
    """A program of a third party. `secret` is complete only in the answer that made it, and null for a public client.

    From `redirect_uris` on, the members are outside the public schema.
    """

    id: str
    name: str
    redirect_uri: str
    secret: str | None
    ignores_delinquent: bool | None
    created_at: str
    updated_at: str
    redirect_uris: list[str]
    public: bool
    requires_pkce: bool
    own_scopes: list[str]


class OAuthClientRef(TypedDict):
    """A client, for whoever has given it something."""

    id: str
    name: str
    redirect_uri: str


class IdOnly(TypedDict):
    """Something else, by id."""

    id: str


class Session(TypedDict):
    """A browser that is signed in."""

    id: str
    description: str
    expires_in: int
    created_at: str
    updated_at: str


class GivenToken(TypedDict):
    """A token in full."""

    id: str
    token: str
    expires_in: int | None


class OAuthToken(TypedDict):
    """What a client gets for a code or a refresh token."""

    id: str
    access_token: GivenToken
    refresh_token: GivenToken | None
    authorization: IdOnly
    client: dict[str, Any] | None
    grant: dict[str, Any] | None
    session: IdOnly | None
    user: IdOnly
    created_at: str
    updated_at: str
