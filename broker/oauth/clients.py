"""OAuth clients: the programs of third parties, registered by the user who answers for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, insert, select, update

from broker.accounts.models import Authorization
from broker.accounts.tokens import CLIENT_PREFIX, new_token, token_hash, token_hint
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret
from broker.oauth.models import OAuthClient, OAuthConsent
from broker.oauth.redirects import checked_redirects

LONGEST_NAME: Final = 80
OWN_SCOPES: Final = tuple(scope.value for scope in Scope if scope is not Scope.GLOBAL)
"""What a client may do in its owner's name with its secret alone: never everything."""


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client as its owner sees it. `secret` is there once: in the answer that made it."""

    id: UUID
    name: str
    redirect_uris: Sequence[str]
    secret_hint: str | None
    requires_pkce: bool
    own_scopes: Sequence[str]
    created_at: datetime
    updated_at: datetime
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ClientWishes:
    """What a client should be like. None: as it is, or as is usual."""

    name: str | None = None
    redirect_uris: Sequence[str] | None = None
    public: bool | None = None
    requires_pkce: bool | None = None
    own_scopes: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class ClientName:
    """A client as those see it who have given it something."""

    id: UUID
    name: str
    redirect_uri: str


async def create_client(ctx: Context, actor: Actor, wishes: ClientWishes) -> ClientView:
    """Register a client. Only this view holds its secret; a public client has none.

    Raises: InvalidParams, Forbidden.
    """
    actor.require_own_token()
    at, client_id, public = ctx.clock.now(), new_id(), bool(wishes.public)
    secret = None if public else new_token(CLIENT_PREFIX)
    row = {
        "id": client_id,
        "owner_id": actor.id,
        "name": "",
        "redirect_uris": [],
        "requires_pkce": True,
        "own_scopes": [],
        **_stored(secret),
        **_checked(replace(wishes, name=wishes.name or "", redirect_uris=wishes.redirect_uris or ()), public),
    }
    async with ctx.database.transaction() as tx:
        await tx.execute(insert(OAuthClient).values(**row, created_at=at, updated_at=at))
        await emit(tx, "oauth_client.created", actor, at, client=str(client_id))
        return replace(await _find(tx, actor, str(client_id)), secret=secret)


async def list_clients(ctx: Context, actor: Actor) -> list[ClientView]:
    """The actor's clients, oldest first.

    Raises: Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        statement = _owned(actor).order_by(OAuthClient.created_at, OAuthClient.id)
        return [ClientView(*row) for row in await tx.execute(statement)]


async def get_client(ctx: Context, actor: Actor, key: str) -> ClientView:
    """One of the actor's clients.

    Raises: NotFound, Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        return await _find(tx, actor, key)


async def change_client(ctx: Context, actor: Actor, key: str, wishes: ClientWishes) -> ClientView:
    """Change what is wished. Whether it is public is settled for good when it is made.

    Raises: NotFound, InvalidParams, Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        found = await _find(tx, actor, key)
        public = found.secret_hint is None
        if wishes.public not in (None, public):
            raise InvalidParams("public: can't be changed; make another client.")
        return await _change(ctx, tx, actor, found, "oauth_client.changed", _checked(wishes, public))


async def rotate_client(ctx: Context, actor: Actor, key: str) -> ClientView:
    """Give the client a new secret; the old one is void at once. What users have allowed stays.

    Raises: NotFound, InvalidParams for a public client, Forbidden.
    """
    actor.require_own_token()
    secret = new_token(CLIENT_PREFIX)
    async with ctx.database.transaction() as tx:
        found = await _find(tx, actor, key)
        if found.secret_hint is None:
            raise InvalidParams("A public client has no credentials.")
        changed = await _change(ctx, tx, actor, found, "oauth_client.rotated", _stored(secret))
    return replace(changed, secret=secret)


async def destroy_client(ctx: Context, actor: Actor, key: str) -> ClientView:
    """End the client, and at once every token that it holds.

    Raises: NotFound, Forbidden.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        found = await _find(tx, actor, key)
        held = (Authorization.client_id == found.id, Authorization.revoked_at.is_(None))
        await tx.execute(update(Authorization).where(*held).values(revoked_at=at, updated_at=at))
        await tx.execute(delete(OAuthConsent).where(OAuthConsent.client_id == found.id))
        return await _change(ctx, tx, actor, found, "oauth_client.destroyed", {"destroyed_at": at})


async def client_names(ctx: Context, ids: Collection[UUID | None]) -> dict[UUID, ClientName]:
    """The clients with these ids by id, for whoever has given them something."""
    wanted = {client_id for client_id in ids if client_id is not None}
    if not wanted:
        return {}
    statement = select(OAuthClient.id, OAuthClient.name, OAuthClient.redirect_uris).where(OAuthClient.id.in_(wanted))
    async with ctx.database.transaction() as tx:
        return {row.id: ClientName(row.id, row.name, row.redirect_uris[0]) for row in await tx.execute(statement)}


async def _find(tx: Tx, actor: Actor, key: str) -> ClientView:
    client_id = as_uuid(key)
    row = client_id and (await tx.execute(_owned(actor).where(OAuthClient.id == client_id))).one_or_none()
    if not row:
        raise NotFound("client")
    return ClientView(*row)


async def _change(
    ctx: Context, tx: Tx, actor: Actor, found: ClientView, kind: str, values: dict[str, Any]
) -> ClientView:
    at = ctx.clock.now()
    await tx.execute(update(OAuthClient).where(OAuthClient.id == found.id).values(updated_at=at, **values))
    await emit(tx, kind, actor, at, client=str(found.id))
    shown = {name: value for name, value in values.items() if name in ClientView.__slots__}
    return replace(found, updated_at=at, **shown)


def _owned(actor: Actor) -> Select[*tuple[Any, ...]]:
    return select(
        OAuthClient.id,
        OAuthClient.name,
        OAuthClient.redirect_uris,
        OAuthClient.secret_hint,
        OAuthClient.requires_pkce,
        OAuthClient.own_scopes,
        OAuthClient.created_at,
        OAuthClient.updated_at,
    ).where(
        OAuthClient.owner_id == actor.id,
        OAuthClient.destroyed_at.is_(None),
        OAuthClient.service_id.is_(None),  # those are as the manifest of the service says
    )


def _stored(secret: Secret | None) -> dict[str, Any]:
    if secret is None:
        return {"secret_hash": None, "secret_hint": None}
    return {"secret_hash": token_hash(secret.reveal()), "secret_hint": token_hint(secret)}


def _checked(wishes: ClientWishes, public: bool) -> dict[str, Any]:
    """The columns that the wishes change.

    Raises: InvalidParams.
    """
    values: dict[str, Any] = {}
    if wishes.name is not None:
        values["name"] = _checked_name(wishes.name)
    if wishes.redirect_uris is not None:
        values["redirect_uris"] = checked_redirects(wishes.redirect_uris, public=public)
    if wishes.requires_pkce is not None:
        if public and not wishes.requires_pkce:
            raise InvalidParams("requires_pkce: a public client has nothing else to prove itself with.")
        values["requires_pkce"] = wishes.requires_pkce
    if wishes.own_scopes is not None:
        values["own_scopes"] = _checked_own_scopes(wishes.own_scopes, public)
    return values


def _checked_name(name: str) -> str:
    """Users trust this name, so it holds nothing that they could not see."""
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise InvalidParams(f"name: must have 1 to {LONGEST_NAME} visible characters.")
    return name.strip()


def _checked_own_scopes(scopes: Collection[str], public: bool) -> list[str]:
    if scopes and public:
        raise InvalidParams("own_scopes: a public client has no secret, so it can't act for itself.")
    if not set(scopes) <= set(OWN_SCOPES):
        raise InvalidParams(f"own_scopes: must be a list of {', '.join(OWN_SCOPES)}.")
    return sorted(set(scopes))
