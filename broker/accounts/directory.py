"""Finding accounts by their address or name, and signing their browsers out: for operators, who are asked for help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, or_, select

from broker.accounts.change import end_sessions
from broker.accounts.models import User
from broker.accounts.proof_models import Authenticator, Passkey
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account in the directory."""

    id: UUID
    email: str
    name: str | None
    is_operator: bool
    created_at: datetime
    last_login: datetime | None
    locked_at: datetime | None
    """Since when operators let nobody in."""
    team_name: str | None
    """What it is called if it is a team, which never signs in."""
    has_factor: bool
    """Whether a password alone does not let anybody in."""


async def find_accounts(ctx: Context, actor: Actor, text: str = "", page: int = 1) -> tuple[list[AccountEntry], bool]:
    """A page of the accounts whose address or name has this in it, the newest first; and whether there is a further page.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    apps = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
    columns = [getattr(User, name) for name in AccountEntry.__slots__[:-1]]
    columns.append(or_(apps, exists().where(Passkey.user_id == User.id)))
    wanted = select(*columns).order_by(User.created_at.desc(), User.id).limit(PAGE + 1)
    if text:
        wanted = wanted.where(
            or_(User.email.icontains(text, autoescape=True), User.name.icontains(text, autoescape=True))
        )
    async with ctx.database.transaction() as tx:
        rows = [AccountEntry(*row) for row in await tx.execute(wanted.offset((max(page, 1) - 1) * PAGE))]
    return rows[:PAGE], len(rows) > PAGE


async def sign_out(ctx: Context, actor: Actor, key: str) -> str:
    """End every session of somebody's browsers, whose user asks for help; the address. Tokens of theirs stay good.

    Transactions: one of its own.
    Raises: NotFound for everybody but operators, and for no such account.
    """
    actor.require_operator()
    user_id, now = as_uuid(key), ctx.clock.now()
    async with ctx.database.transaction() as tx:
        found = select(User.email).where(User.id == user_id, User.team_name.is_(None))
        email = (await tx.execute(found)).scalar_one_or_none() if user_id else None
        if user_id is None or email is None:
            raise NotFound("account")
        await end_sessions(tx, user_id, now)
        await emit(tx, "account.signed_out", actor, now, user=str(user_id), email=email)
    return str(email)
