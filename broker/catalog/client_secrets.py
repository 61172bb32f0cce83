"""The OAuth client secret of a service, with which its provider exchanges grants. Only hashes are stored.

What it is exchanged for is the matter of the grants; the password that both sides share is in `shared_secrets.py`.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from broker.accounts.tokens import token_hash
from broker.catalog.members import Role, locked_service
from broker.catalog.models import AddonService
from broker.catalog.shared_secrets import OVERLAP
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.secret import Secret

PREFIX: Final = "HRKU-S-"


def new_client_secret() -> Secret:
    """A fresh secret, recognisable by its prefix. A plain hash of 32 random bytes is enough to store."""
    return Secret(PREFIX + secrets.token_urlsafe(32))


async def is_client_secret(tx: Tx, service_id: UUID, secret: Secret, now: datetime) -> bool:
    """Whether it is the service's client secret, or the one before within its overlap. In constant time each."""
    columns = (
        AddonService.client_secret_hash,
        AddonService.client_secret_old_hash,
        AddonService.client_secret_old_until,
    )
    row = (await tx.execute(select(*columns).where(AddonService.id == service_id))).one_or_none()
    if row is None:
        return False
    current, old, old_until = row
    given = token_hash(secret.reveal())
    is_current = hmac.compare_digest(current or b"", given)
    is_old = hmac.compare_digest(old or b"", given)
    return is_current or (is_old and old_until is not None and now < old_until)


async def rotate_client_secret(ctx: Context, actor: Actor, slug: str, *, immediate: bool = False) -> Secret:
    """A new client secret, shown this once. The old one stays valid for a day, or not at all if `immediate`.

    Raises: NotFound, Forbidden for a member who is not an owner.
    """
    fresh, now = new_client_secret(), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.OWNER)
        kept = None if immediate else AddonService.client_secret_hash
        await tx.execute(
            update(AddonService)
            .where(AddonService.id == service.id)
            .values(
                client_secret_hash=token_hash(fresh.reveal()),
                client_secret_old_hash=kept,
                client_secret_old_until=None if immediate else now + OVERLAP,
            )
        )
        await emit(tx, "client_secret.rotated", actor, now, service=slug, immediate=immediate)
    return fresh
