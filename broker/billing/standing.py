"""How an account stands when a month is added up: the credits that it has left, and what was carried forward. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from broker.billing.models import CreditGrant, CreditUsed, Invoice, InvoiceState
from broker.billing.pricing import Credit, CreditKind
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Standing:
    """In one currency. Units: minor units."""

    credits: tuple[Credit, ...] = ()
    carried_minor: int = 0


Standings = dict[str, Standing]
"""By currency; those that are not there have nothing."""


async def standings(tx: Tx, account_ids: Collection[UUID], month: str) -> dict[UUID, Standings]:
    """How these accounts stand at the beginning of a month such as `2026-11`, whether or not it has been closed."""
    credits = await _credits(tx, account_ids, month)
    carried = await _carried(tx, account_ids, month)
    found: dict[UUID, Standings] = defaultdict(dict)
    for account_id, currency in credits.keys() | carried.keys():
        key = account_id, currency
        found[account_id][currency] = Standing(tuple(credits.get(key, ())), carried.get(key, 0))
    return dict(found)


async def _credits(tx: Tx, account_ids: Collection[UUID], month: str) -> dict[tuple[UUID, str], list[Credit]]:
    """What is left of each credit after its uses in other months."""
    used = (
        select(CreditUsed.credit_id, func.sum(CreditUsed.minor).label("minor"))
        .join(Invoice, Invoice.id == CreditUsed.invoice_id)
        .where(Invoice.account_id.in_(account_ids), Invoice.month != month)
        .group_by(CreditUsed.credit_id)
        .subquery()
    )
    left = CreditGrant.minor - func.coalesce(used.c.minor, 0)
    granted = (
        select(
            CreditGrant.account_id,
            CreditGrant.currency,
            CreditGrant.id,
            CreditGrant.kind,
            left,
            CreditGrant.granted_at,
            CreditGrant.expires_at,
        )
        .outerjoin(used, used.c.credit_id == CreditGrant.id)
        .where(CreditGrant.account_id.in_(account_ids), left > 0)
        .order_by(CreditGrant.id)
    )
    found: dict[tuple[UUID, str], list[Credit]] = defaultdict(list)
    for account_id, currency, credit_id, kind, minor, granted_at, expires_at in await tx.execute(granted):
        found[account_id, currency].append(Credit(credit_id, CreditKind(kind), int(minor), granted_at, expires_at))
    return found


async def _carried(tx: Tx, account_ids: Collection[UUID], month: str) -> dict[tuple[UUID, str], int]:
    """What the last bill before left to be carried: nothing, if it was an invoice."""
    last = (
        select(
            Invoice.account_id,
            Invoice.currency,
            case((Invoice.state == InvoiceState.STATEMENT, Invoice.due_minor), else_=0).label("minor"),
        )
        .where(Invoice.account_id.in_(account_ids), Invoice.month < month)
        .ext(distinct_on(Invoice.account_id, Invoice.currency))
        .order_by(Invoice.account_id, Invoice.currency, Invoice.month.desc())
    )
    rows = await tx.execute(last)
    return {(account_id, currency): minor for account_id, currency, minor in rows if minor}
