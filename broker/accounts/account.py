"""The actor's own account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.accounts.models import User
from broker.accounts.two_factor import factors_of
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class AccountView:
    """A person, as that person sees it."""

    id: UUID
    email: str
    name: str | None
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None
    has_two_factor: bool = False


async def get_account(ctx: Context, actor: Actor) -> AccountView:
    """The account behind the token.

    Raises: Forbidden.
    """
    actor.require(Scope.IDENTITY)
    statement = select(User.id, User.email, User.name, User.created_at, User.updated_at, User.last_login)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(statement.where(User.id == actor.id))).one_or_none()
        if row is None:
            raise NotFound("account")
        return AccountView(*row, (await factors_of(tx, actor.id)).is_on)
