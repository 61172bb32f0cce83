"""Authorizations: making, listing, renaming, revoking and renewing API tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, insert, or_, select, update

from broker.accounts.locked import require_unlocked
from broker.accounts.models import Authorization, User
from broker.accounts.tokens import new_token, token_hash, token_hint
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret
from broker.notices.outbox import notify

LONGEST_DESCRIPTION: Final = 200
LONGEST_LIFE: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class AuthorizationView:
    """An API token's record. `token` is there once: in the answer that made it."""

    id: UUID
    user_id: UUID
    user_email: str
    description: str
    scopes: Sequence[str]
    hint: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    client_id: UUID | None = None
    session_id: UUID | None = None
    only_apps: Collection[UUID] | None = None
    last_used_at: datetime | None = None
    renewable_until: datetime | None = None
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class CreateAuthorization:
    """What a new token should be good for. `expires_in` None: it lasts until it is revoked, or `longest` long."""

    description: str = ""
    scopes: Collection[str] | None = None
    expires_in: timedelta | None = None


async def create_authorization(
    ctx: Context, actor: Actor, request: CreateAuthorization, *, default_life: timedelta | None = None
) -> AuthorizationView:
    """Make a token, no more powerful than the one that asks.

    Transactions: one of its own.
    Raises: InvalidParams, Forbidden; AccountLocked.
    """
    actor.require_own_token()
    if actor.behind is not None:
        raise Forbidden("Teams have no tokens: everybody in one uses a token of their own.")
    life, at = _checked_life(request.expires_in or default_life), ctx.wall.now()
    token, authorization_id = new_token(), new_id()
    row = {
        "id": authorization_id,
        "user_id": actor.id,
        "description": checked_description(request.description),
        "scopes": _checked_scopes(request.scopes),
        "expires_at": None if life is None else at + life,
        "created_at": at,
        "updated_at": at,
    }
    async with ctx.database.transaction() as tx:
        await require_unlocked(tx, ctx, actor.id)
        await tx.execute(insert(Authorization).values(**row, **_stored(token)))
        await emit(tx, "authorization.created", actor, at, authorization=str(authorization_id))
        await notify(tx, actor.id, "token.created", _told(actor, row), at)
        return replace(await _find(tx, actor, at, str(authorization_id)), token=token)


def _told(actor: Actor, row: dict[str, Any]) -> dict[str, Any]:
    """What its owner is told of a new token, who may not have been the one to make it."""
    return {
        "email": actor.email,
        "at": rfc3339(row["created_at"]),
        "description": row["description"] or "without a description",
        "scopes": ", ".join(row["scopes"]),
        "address": current_origin().address,
    }


async def list_authorizations(ctx: Context, actor: Actor) -> list[AuthorizationView]:
    """The actor's valid tokens, oldest first; those that OAuth clients hold, too, as long as they can be refreshed.

    Those that were narrowed from one of them go with it, and are not listed.

    Raises: Forbidden.
    """
    actor.require(Scope.GLOBAL)
    async with ctx.database.transaction() as tx:
        statement = _valid(actor, ctx.wall.now()).where(Authorization.parent_id.is_(None))
        statement = statement.order_by(Authorization.created_at, Authorization.id)
        return [AuthorizationView(*row) for row in await tx.execute(statement)]


async def get_authorization(ctx: Context, actor: Actor, key: str) -> AuthorizationView:
    """One of the actor's tokens by id; `~` is the one that asks.

    Raises: NotFound, Forbidden.
    """
    _require(actor, key)
    async with ctx.database.transaction() as tx:
        return await _find(tx, actor, ctx.wall.now(), key)


async def describe_authorization(ctx: Context, actor: Actor, key: str, description: str) -> AuthorizationView:
    """Change the description.

    Raises: NotFound, InvalidParams, Forbidden.
    """
    return await _change(ctx, actor, key, "authorization.described", {"description": checked_description(description)})


async def revoke_authorization(ctx: Context, actor: Actor, key: str) -> AuthorizationView:
    """End a token at once, with all that were narrowed from it. A token may always end itself.

    Raises: NotFound, Forbidden.
    """
    return await _change(ctx, actor, key, "authorization.revoked", {"revoked_at": ctx.wall.now()})


async def renew_authorization(ctx: Context, actor: Actor, key: str) -> AuthorizationView:
    """Give it a new token with the same scopes and the same end; the old one is void at once.

    Raises: NotFound, Forbidden; InvalidParams for what an OAuth client holds, which renews it itself.
    """
    if actor.client_id is not None:
        actor.require_own_token()
    if (await get_authorization(ctx, actor, key)).client_id is not None:
        raise InvalidParams("An OAuth client holds this authorization and renews its token itself; you can revoke it.")
    token = new_token()
    return replace(
        await _change(ctx, actor, key, "authorization.renewed", _stored(token)), token=token, hint=token_hint(token)
    )


async def _change(ctx: Context, actor: Actor, key: str, kind: str, values: dict[str, Any]) -> AuthorizationView:
    _require(actor, key)
    at = ctx.wall.now()
    async with ctx.database.transaction() as tx:
        found = await _find(tx, actor, at, key)
        named = Authorization.id == found.id
        if "revoked_at" in values:
            named = or_(named, Authorization.parent_id == found.id)
        await tx.execute(update(Authorization).where(named).values(updated_at=at, **values))
        await emit(tx, kind, actor, at, authorization=str(found.id))
        return replace(found, updated_at=at, description=values.get("description", found.description))


def _require(actor: Actor, key: str) -> None:
    if key != "~" and as_uuid(key) != actor.authorization_id:
        actor.require(Scope.GLOBAL)


async def _find(tx: Tx, actor: Actor, now: datetime, key: str) -> AuthorizationView:
    wanted = actor.authorization_id if key == "~" else as_uuid(key)
    if wanted is None:
        raise NotFound("authorization")
    row = (await tx.execute(_valid(actor, now).where(Authorization.id == wanted))).one_or_none()
    if row is None:
        raise NotFound("authorization")
    return AuthorizationView(*row)


def _valid(actor: Actor, now: datetime) -> Select[*tuple[Any, ...]]:
    unexpired = or_(
        Authorization.expires_at.is_(None), Authorization.expires_at > now, Authorization.renewable_until > now
    )
    return (
        select(
            Authorization.id,
            Authorization.user_id,
            User.email,
            Authorization.description,
            Authorization.scopes,
            Authorization.hint,
            Authorization.expires_at,
            Authorization.created_at,
            Authorization.updated_at,
            Authorization.client_id,
            Authorization.session_id,
            Authorization.only_apps,
            Authorization.last_used_at,
            Authorization.renewable_until,
        )
        .join(User, User.id == Authorization.user_id)
        .where(Authorization.user_id == actor.id, Authorization.revoked_at.is_(None), unexpired)
    )


def _stored(token: Secret) -> dict[str, Any]:
    return {"token_hash": token_hash(token.reveal()), "hint": token_hint(token)}


def checked_description(text: str) -> str:
    """The description, if it fits.

    Raises: InvalidParams.
    """
    if len(text) > LONGEST_DESCRIPTION or "\0" in text:
        raise InvalidParams(f"description: must have at most {LONGEST_DESCRIPTION} characters, none of them NUL.")
    return text


def _checked_scopes(wanted: Collection[str] | None) -> list[str]:
    if wanted is None:
        return [Scope.GLOBAL.value]
    known = {scope.value for scope in Scope}
    if not wanted or not set(wanted) <= known:
        raise InvalidParams(f"scope: must be a list of {', '.join(sorted(known))}.")
    return sorted(set(wanted))


def _checked_life(life: timedelta | None) -> timedelta | None:
    if life is not None and not timedelta(0) < life <= LONGEST_LIFE:
        raise InvalidParams(f"expires_in: must be between 1 second and {LONGEST_LIFE.days} days, in seconds.")
    return life
