"""Credits of accounts: granted by operators, used up by the close of months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select

from broker.accounts.models import User
from broker.billing.ledger import Posting, credit_amounts, post
from broker.billing.models import CreditGrant, CreditUsed
from broker.billing.pricing import CreditKind
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.money import Money

_MOST_MINOR = 10**12


class Funding(StrEnum):
    """At whose cost a promotional credit is."""

    PLATFORM = "platform"
    """Partners get their share of the price before it."""
    BOTH = "both"
    """Partners get their share of what is left."""


@dataclass(frozen=True, slots=True)
class NewCredit:
    """What is granted. Units: minor units. It can't be used at `expires_at` any more."""

    email: str
    minor: int
    kind: CreditKind
    reason: str
    currency: str = "usd"
    expires_at: datetime | None = None
    funded_by: Funding = Funding.PLATFORM


@dataclass(frozen=True, slots=True)
class CreditView:
    """A credit and what is left of it. Units: minor units."""

    id: UUID
    kind: str
    currency: str
    minor: int
    left_minor: int
    reason: str
    granted_at: datetime
    expires_at: datetime | None


async def grant_credit(ctx: Context, actor: Actor, new: NewCredit, credit_id: UUID | None = None) -> CreditView:
    """Give an account a credit: operators only. The next closes use it up.

    Raises: NotFound, also for everybody but operators; InvalidParams.
    """
    actor.require_operator()
    now, credit_id = ctx.clock.now(), credit_id or new_id()
    if not 0 < new.minor <= _MOST_MINOR:
        raise InvalidParams("amount_minor: must be a positive number of minor units, such as 1000 for 10.00.")
    if new.expires_at is not None and new.expires_at <= now:
        raise InvalidParams("expires_at: must be in the future.")
    async with ctx.database.transaction() as tx:
        account_id = await _account(tx, new.email)
        row = {
            "id": credit_id,
            "account_id": account_id,
            "currency": new.currency,
            "kind": new.kind,
            "minor": new.minor,
        }
        row |= {"reason": new.reason, "granted_at": now, "expires_at": new.expires_at, "funded_by": new.funded_by}
        await tx.execute(insert(CreditGrant).values(row | {"actor_id": actor.id, "actor_email": actor.email}))
        moved = credit_amounts(new.kind, new.minor)
        await post(tx, [Posting(f"credit {credit_id}", "credit", account_id, new.currency, now, moved)])
        told: dict[str, Any] = {
            "account_id": str(account_id),
            "amount": str(Money(new.minor, new.currency)),
            "credit": str(new.kind),
        }
        await emit(tx, "credit.granted", actor, now, **told, reason=new.reason)
    return CreditView(credit_id, new.kind, new.currency, new.minor, new.minor, new.reason, now, new.expires_at)


async def _account(tx: Tx, email: str) -> UUID:
    found = (await tx.execute(select(User.id).where(func.lower(User.email) == email.lower()))).scalar_one_or_none()
    if found is None:
        raise NotFound("account")
    return found


async def get_credit(ctx: Context, actor: Actor, credit_id: UUID) -> CreditView:
    """A credit of whatever account: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(_credits().where(CreditGrant.id == credit_id))).one_or_none()
    if row is None:
        raise NotFound("credit")
    return _view(row)


async def list_credits(ctx: Context, actor: Actor) -> Sequence[CreditView]:
    """The credits of the actor's account, the oldest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    own = _credits().where(CreditGrant.account_id == actor.id).order_by(CreditGrant.granted_at, CreditGrant.id)
    async with ctx.database.transaction() as tx:
        return [_view(row) for row in await tx.execute(own)]


def _credits() -> Select[Any]:
    used = select(CreditUsed.credit_id, func.sum(CreditUsed.minor).label("minor")).group_by(CreditUsed.credit_id)
    uses = used.subquery()
    left = CreditGrant.minor - func.coalesce(uses.c.minor, 0)
    names = ("id", "kind", "currency", "minor", "reason", "granted_at", "expires_at")
    columns: list[Any] = [getattr(CreditGrant, name) for name in names]
    return select(*columns, left.label("left_minor")).outerjoin(uses, uses.c.credit_id == CreditGrant.id)


def _view(row: Any) -> CreditView:
    values = {name: getattr(row, name) for name in CreditView.__slots__}
    return CreditView(**values | {"left_minor": int(row.left_minor)})
