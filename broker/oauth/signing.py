"""Keys that sign ID tokens: made when needed, succeeded after a while, the private half sealed by the vault."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import KeyParameters, RSAKey
from sqlalchemy import delete, insert, select

from broker.kernel.context import Context
from broker.kernel.ids import new_id
from broker.oauth.models import SigningKey

ALGORITHM: Final = "RS256"
"""The one that every client of OpenID Connect must know."""
SIGNS_FOR: Final = timedelta(days=90)
ID_TOKEN_LIFE: Final = timedelta(hours=1)
_SHOWN_FOR: Final = SIGNS_FOR + timedelta(days=1)
"""Longer than the last token that it signed, and than anybody keeps a copy of the list."""
_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    key: RSAKey

    def id_token(self, claims: dict[str, Any], now: datetime, access_token: str | None = None) -> str:
        """An ID token with these claims, valid for an hour. Source: OpenID Connect Core 1.0, sections 2 and 3.1.3.6."""
        times = {"iat": int(now.timestamp()), "exp": int((now + ID_TOKEN_LIFE).timestamp())}
        bound = {} if access_token is None else {"at_hash": _half_hash(access_token)}
        header = {"alg": ALGORITHM, "kid": self.key.kid, "typ": "JWT"}
        return jwt.encode(header, {**times, **bound, **claims}, self.key, [ALGORITHM])


async def signer(ctx: Context) -> Signer:
    """The newest key, or a fresh one if that is too old. Two processes may make one each: both are valid.

    Transactions: one to look, one to store.
    """
    now = ctx.wall.now()
    columns = (SigningKey.id, SigningKey.private_sealed, SigningKey.data_key)
    newest = select(*columns).where(SigningKey.created_at > now - SIGNS_FOR).order_by(SigningKey.created_at.desc())
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(newest.limit(1))).one_or_none()
    if row is None:
        return await _new_signer(ctx)
    private = ctx.vault.unwrap(row.data_key, _owner(row.id)).open(row.private_sealed, _place(row.id))
    return Signer(RSAKey.import_key(json.loads(private)))


async def public_keys(ctx: Context) -> Sequence[dict[str, Any]]:
    """The public halves of all keys that may have signed a valid token, as JSON Web Keys."""
    statement = select(SigningKey.public_jwk).where(SigningKey.created_at > ctx.wall.now() - _SHOWN_FOR)
    async with ctx.database.transaction() as tx:
        found = list((await tx.execute(statement.order_by(SigningKey.created_at.desc()))).scalars())
    return found or [(await _new_signer(ctx)).key.as_dict(private=False)]


async def _new_signer(ctx: Context) -> Signer:
    key_id, now = new_id(), ctx.wall.now()
    parameters: KeyParameters = {"kid": str(key_id), "use": "sig", "alg": ALGORITHM}
    key = await asyncio.to_thread(lambda: RSAKey.generate_key(_BITS, parameters=parameters))
    data_key, wrapped = ctx.vault.new_data_key(_owner(key_id))
    row = {
        "id": key_id,
        "public_jwk": key.as_dict(private=False),
        "private_sealed": data_key.seal(json.dumps(key.as_dict(private=True)).encode(), _place(key_id)),
        "data_key": wrapped,
        "created_at": now,
    }
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(SigningKey).where(SigningKey.created_at <= now - _SHOWN_FOR))
        await tx.execute(insert(SigningKey).values(**row))
    return Signer(key)


def _half_hash(token: str) -> str:
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def _owner(key_id: UUID) -> str:
    return f"oauth_signing_keys:{key_id}"


def _place(key_id: UUID) -> str:
    return f"oauth_signing_keys:{key_id}:private:1"
