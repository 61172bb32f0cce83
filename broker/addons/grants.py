"""What a provider gets for a grant: an access token for one add-on, and a refresh token that lasts as long as that.

Minting a grant is `work.py`'s. Source: Add-on Partner API, OAuth; RFC 6749 sections 4.1.3 and 6.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select, update

from broker.accounts.tokens import token_hash
from broker.addons.models import Addon, AddonState, PartnerToken
from broker.addons.partner import ACCESS, PREFIX, partner_actor
from broker.catalog.client_secrets import is_client_secret
from broker.catalog.models import AddonService
from broker.events.emit import emit
from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.errors import InvalidClient, InvalidGrant
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.oauth.models import OAuthGrant

ACCESS_LIFE: Final = timedelta(hours=8)
_REFRESH: Final = "refresh"
_REFRESH_PREFIX: Final = "HRKU-PR-"
_LOST: Final = "Get a new grant at /vendor/resources/RESOURCE/oauth-grant, with the manifest's id and password."


@dataclass(frozen=True, slots=True)
class PartnerTokens:
    """What a provider is given. The refresh token stays the same, and stays valid."""

    access: Secret
    refresh: Secret
    service_id: UUID


async def exchange_grant(ctx: Context, code: Secret, client_secret: Secret) -> PartnerTokens:
    """Tokens for a code: once, within five minutes. A code that turns up again revokes what it gave.

    Transactions: one, in which a second exchange of the same code waits for the first.
    Raises: InvalidClient for a client secret that is not the service's; InvalidGrant.
    """

    async def once() -> PartnerTokens | None:
        async with ctx.database.transaction() as tx:
            found = await _grant(tx, code)
            return None if found is None else await _exchange(tx, found, client_secret, ctx.wall.now())

    tokens = await again_on_deadlock(once)
    if tokens is None:
        raise InvalidGrant(f"This code is unknown, used or older than five minutes. {_LOST}")
    return tokens


async def refresh_tokens(ctx: Context, refresh_token: Secret, client_secret: Secret) -> PartnerTokens:
    """A new access token for as long as the add-on lives. Those given before stay valid until they expire.

    Raises: InvalidClient, InvalidGrant.
    """

    async def once() -> PartnerTokens:
        async with ctx.database.transaction() as tx:
            found = await _refreshable(tx, refresh_token)
            if found is None:
                raise InvalidGrant(f"This refresh token is unknown or revoked, or its add-on is gone. {_LOST}")
            now = ctx.wall.now()
            await _check_client(tx, found, client_secret, now)
            access = await _issue(tx, found, ACCESS, _random(PREFIX), client_secret, now)
            return PartnerTokens(access, refresh_token, found["service_id"])

    return await again_on_deadlock(once)


async def _grant(tx: Tx, code: Secret) -> RowMapping | None:
    """The grant with this code, which nobody else exchanges meanwhile."""
    columns = (OAuthGrant.id.label("grant_id"), OAuthGrant.used_at, OAuthGrant.expires_at)
    statement = (
        select(*columns, Addon.id.label("addon_id"), Addon.app_id, Addon.state, Addon.service_id, AddonService.slug)
        .join(Addon, Addon.id == OAuthGrant.addon_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .where(OAuthGrant.code_hash == token_hash(code.reveal()))
    )
    return (await tx.execute(statement.with_for_update(of=OAuthGrant))).mappings().one_or_none()


async def _exchange(tx: Tx, grant: RowMapping, client_secret: Secret, now: datetime) -> PartnerTokens | None:
    """The tokens; None if this code gives none. Refusing by a value keeps what is revoked on the way."""
    await _check_client(tx, grant, client_secret, now)
    if grant["used_at"] is not None:
        await _revoke(tx, grant, now)
        return None
    if grant["expires_at"] <= now or grant["state"] == AddonState.DEPROVISIONED:
        return None
    await tx.execute(update(OAuthGrant).where(OAuthGrant.id == grant["grant_id"]).values(used_at=now))
    access = await _issue(tx, grant, ACCESS, _random(PREFIX), client_secret, now)
    refresh = await _issue(tx, grant, _REFRESH, _random(_REFRESH_PREFIX), client_secret, now)
    await emit(tx, "grant.exchanged", **_told(grant, now))
    return PartnerTokens(access, refresh, grant["service_id"])


async def _revoke(tx: Tx, grant: RowMapping, now: datetime) -> None:
    """A code that is used twice is in two hands, and nobody knows which tokens are in the right ones."""
    given = (PartnerToken.grant_id == grant["grant_id"], PartnerToken.revoked_at.is_(None))
    await tx.execute(update(PartnerToken).where(*given).values(revoked_at=now))
    await emit(tx, "grant.replayed", **_told(grant, now))


def _told(grant: RowMapping, now: datetime) -> dict[str, Any]:
    """What events tell of a grant: the provider as actor, and about what."""
    provider = partner_actor(grant["service_id"], grant["slug"])
    return {"actor": provider, "at": now, "app_id": grant["app_id"], "addon_id": grant["addon_id"]}


async def _refreshable(tx: Tx, refresh_token: Secret) -> RowMapping | None:
    statement = (
        select(PartnerToken.grant_id, PartnerToken.addon_id, Addon.service_id)
        .join(Addon, Addon.id == PartnerToken.addon_id)
        .where(
            PartnerToken.token_hash == token_hash(refresh_token.reveal()),
            PartnerToken.kind == _REFRESH,
            PartnerToken.revoked_at.is_(None),
            Addon.state != AddonState.DEPROVISIONED,
        )
    )
    return (await tx.execute(statement.with_for_update(of=PartnerToken))).mappings().one_or_none()


async def _check_client(tx: Tx, found: RowMapping, client_secret: Secret, now: datetime) -> None:
    if not await is_client_secret(tx, found["service_id"], client_secret, now):
        raise InvalidClient("The client secret is not the one of this add-on's service; its owner can make a new one.")


async def _issue(tx: Tx, found: RowMapping, kind: str, token: Secret, client_secret: Secret, now: datetime) -> Secret:
    """Keep the hash of a fresh token; access tokens of the add-on that have expired make room."""
    if kind == ACCESS:
        expired = (PartnerToken.addon_id == found["addon_id"], PartnerToken.expires_at <= now)
        await tx.execute(delete(PartnerToken).where(*expired))
    row = {
        "id": new_id(),
        "addon_id": found["addon_id"],
        "grant_id": found["grant_id"],
        "kind": kind,
        "token_hash": token_hash(token.reveal()),
        "minted_under": token_hash(client_secret.reveal()),
        "expires_at": now + ACCESS_LIFE if kind == ACCESS else None,
        "created_at": now,
    }
    await tx.execute(insert(PartnerToken).values(row))
    return token


def _random(prefix: str) -> Secret:
    return Secret(prefix + secrets.token_urlsafe(32))
