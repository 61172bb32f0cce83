"""Links in mails: made for one purpose, good once and for a short time. Helpers; whoever uses them commits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, literal, select, update

from broker.accounts.proof_models import MailToken
from broker.accounts.tokens import token_hash
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret

_AT_ONCE: Final = 500
_KEPT: Final = timedelta(days=30)


class Purpose(StrEnum):
    """What a link is for; it opens nothing else."""

    SIGN_UP = "sign_up"
    INVITATION = "invitation"
    RESET = "reset"
    CHANGE_EMAIL = "change_email"


LIVES: Final = {
    Purpose.SIGN_UP: timedelta(hours=24),
    Purpose.INVITATION: timedelta(days=7),
    Purpose.RESET: timedelta(hours=1),
    Purpose.CHANGE_EMAIL: timedelta(hours=24),
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for."""

    id: UUID
    purpose: Purpose
    user_id: UUID | None
    email: str


async def new_link(
    tx: Tx, purpose: Purpose, email: str, now: datetime, user_id: UUID | None = None
) -> tuple[Secret, datetime]:
    """A fresh link, and until when it is good. An older one for the same is void from now on."""
    same = (MailToken.purpose == purpose, MailToken.email == email, MailToken.used_at.is_(None))
    of_user = MailToken.user_id.is_not_distinct_from(literal(user_id, MailToken.user_id.type))
    await tx.execute(update(MailToken).where(*same, of_user).values(used_at=now))
    token, until = Secret(secrets.token_urlsafe(32)), now + LIVES[purpose]
    row = {
        "id": new_id(),
        "purpose": purpose,
        "user_id": user_id,
        "email": email,
        "token_hash": token_hash(token.reveal()),
        "expires_at": until,
        "created_at": now,
    }
    await tx.execute(insert(MailToken).values(row))
    return token, until


async def look_at(tx: Tx, token: Secret, now: datetime, *purposes: Purpose) -> Link:
    """What a link stands for, without using it up: programs that look through mail open links, too.

    Raises: InvalidParams if it is used, expired, or none of ours.
    """
    columns = (MailToken.id, MailToken.purpose, MailToken.user_id, MailToken.email)
    good = (MailToken.purpose.in_(purposes), MailToken.used_at.is_(None), MailToken.expires_at > now)
    named = MailToken.token_hash == token_hash(token.reveal())
    row = (await tx.execute(select(*columns).where(named, *good))).one_or_none()
    if row is None:
        raise InvalidParams("This link was used already, or it is too old. Ask for a new one.")
    return Link(row.id, Purpose(row.purpose), row.user_id, row.email)


async def use_up(tx: Tx, token: Secret, now: datetime, *purposes: Purpose) -> Link:
    """The same, for the one and only time.

    Raises: InvalidParams, also for the second of two at the same time.
    """
    link = await look_at(tx, token, now, *purposes)
    mine = update(MailToken).where(MailToken.id == link.id, MailToken.used_at.is_(None)).values(used_at=now)
    if (await tx.execute(mine)).rowcount != 1:
        raise InvalidParams("This link was used already, or it is too old. Ask for a new one.")
    return link


async def void_links(tx: Tx, user_id: UUID, now: datetime) -> None:
    """Make every open link of a user's void, as when the password changes."""
    mine = (MailToken.user_id == user_id, MailToken.used_at.is_(None))
    await tx.execute(update(MailToken).where(*mine).values(used_at=now))


async def forget_links(ctx: Context) -> None:
    """Delete those that were over long ago. Part of the sweep."""
    old = select(MailToken.id).where(MailToken.expires_at <= ctx.clock.now() - _KEPT).limit(_AT_ONCE)
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(MailToken).where(MailToken.id.in_(old.with_for_update(skip_locked=True))))
