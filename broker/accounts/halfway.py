"""Between password and second factor: what a browser carries meanwhile. It opens nothing; a code has to follow within minutes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from broker.accounts.devices import device_of
from broker.accounts.login import Entrant, enter
from broker.accounts.models import User
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Unauthorized
from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret

LIFE: Final = timedelta(minutes=10)
_PURPOSE: Final = "half-signed-in"
_TOO_LATE: Final = "That took too long, or the password was changed meanwhile. Sign in again."


async def half_way(ctx: Context, entrant: Entrant) -> Secret:
    """What the browser of somebody keeps who has shown the right password."""
    until = int((ctx.clock.now() + LIFE).timestamp())
    row = await _account(ctx, entrant.id)
    text = f"{entrant.id}.{until}"
    return Secret(f"{text}.{ctx.vault.sign(_PURPOSE, _signed(text, row.password_hash)).hex()}")


async def whole_way(ctx: Context, cookie: Secret, code: Secret, device: Secret | None) -> Actor:
    """Let somebody in with a code who has shown the password shortly before.

    Raises: Unauthorized when that was too long ago; TwoFactorRequired for a wrong code, RateLimited.
    """
    text, _, mac = cookie.reveal().rpartition(".")
    name, _, until = text.partition(".")
    user_id = as_uuid(name)
    row = None if user_id is None else await _account(ctx, user_id)
    if row is None or not _is_good(ctx, text, until, mac, row.password_hash):
        raise Unauthorized(_TOO_LATE)
    known = device_of(ctx.vault, row.id, device)
    return await enter(ctx, Entrant(row.id, row.email, row.is_operator, known, needs_code=True), code)


def _is_good(ctx: Context, text: str, until: str, mac: str, password_hash: str | None) -> bool:
    try:
        signature = bytes.fromhex(mac)
    except ValueError:
        return False
    if not ctx.vault.verify(_PURPOSE, _signed(text, password_hash), signature):
        return False
    return datetime.fromtimestamp(int(until), UTC) > ctx.clock.now()


def _signed(text: str, password_hash: str | None) -> bytes:
    """Bound to the password: with another one it is worth nothing."""
    return f"{text}.{hashlib.sha256((password_hash or '').encode()).hexdigest()}".encode()


async def _account(ctx: Context, user_id: UUID) -> Any:
    statement = select(User.id, User.email, User.is_operator, User.password_hash).where(User.id == user_id)
    async with ctx.database.transaction() as tx:
        return (await tx.execute(statement)).one_or_none()
