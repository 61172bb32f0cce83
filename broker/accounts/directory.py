"""Finding accounts by their address or name: for operators, who are asked for help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select

from broker.accounts.models import User
from broker.kernel.context import Actor, Context

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


async def find_accounts(ctx: Context, actor: Actor, text: str = "", page: int = 1) -> tuple[list[AccountEntry], bool]:
    """A page of the accounts whose address or name has this in it, the newest first; and whether there is a further page.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    columns = [getattr(User, name) for name in AccountEntry.__slots__]
    wanted = select(*columns).order_by(User.created_at.desc(), User.id).limit(PAGE + 1)
    if text:
        wanted = wanted.where(
            or_(User.email.icontains(text, autoescape=True), User.name.icontains(text, autoescape=True))
        )
    async with ctx.database.transaction() as tx:
        rows = [AccountEntry(*row) for row in await tx.execute(wanted.offset((max(page, 1) - 1) * PAGE))]
    return rows[:PAGE], len(rows) > PAGE
