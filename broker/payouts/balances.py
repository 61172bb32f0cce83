"""What a partner is owed, and how much of it can be paid out by now. Derived from the shares and the payouts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, select, true

from broker.billing.share_models import PartnerShare
from broker.catalog.members import Role, member_service
from broker.kernel.context import Actor, Context, Rules
from broker.kernel.db import Tx
from broker.kernel.money import quotient
from broker.payouts.models import Payout, PayoutState

RESERVED_FOR: Final = timedelta(days=90)
"""For how long a reserve is kept back, from the day on which the share came."""


@dataclass(frozen=True, slots=True)
class BalanceView:
    """In one currency. Units: minor units."""

    service: str
    currency: str
    balance_minor: int
    """What the partner is owed; negative if more was taken back than came since."""
    held_minor: int
    """Of that, what came so recently that it may have to go back."""
    reserved_minor: int
    on_its_way_minor: int
    """In payouts that were drafted and not yet paid: no part of the balance any more."""
    paid_minor: int
    minimum_minor: int

    @property
    def available_minor(self) -> int:
        """What could be paid out by now, if it is worth it."""
        return max(self.balance_minor - self.held_minor - self.reserved_minor, 0)

    @property
    def payable_minor(self) -> int:
        """What the next payout comes to."""
        return self.available_minor if self.available_minor >= self.minimum_minor else 0


async def list_balances(ctx: Context, actor: Actor, slug: str) -> Sequence[BalanceView]:
    """How a service stands, by currency: for its owners and admins.

    Raises: NotFound, Forbidden.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        return await balances(tx, ctx.rules, ctx.clock.now(), PartnerShare.service == service.slug)


async def balances(
    tx: Tx, rules: Rules, at: datetime, which: ColumnElement[bool] | None = None
) -> Sequence[BalanceView]:
    """How all services that ever earned something stand, or those whose shares are meant."""
    until = at - rules.payout_hold
    rows = (await tx.execute(_earned(until, which))).all()
    paid = await _paid(tx, {row.service for row in rows})
    return [_view(row, paid.get((row.service, row.currency)), rules) for row in rows]


def _view(row: Any, paid: Any, rules: Rules) -> BalanceView:
    reserved = quotient(int(row.seasoned) * rules.payout_reserve_bp, 10_000)
    drawn = 0 if paid is None else int(paid.drawn)
    done = 0 if paid is None else int(paid.done)
    return BalanceView(
        service=row.service,
        currency=row.currency,
        balance_minor=int(row.minor) - drawn,
        held_minor=int(row.held),
        reserved_minor=reserved,
        on_its_way_minor=drawn - done,
        paid_minor=done,
        minimum_minor=rules.payout_minimum_minor,
    )


def _earned(until: datetime, which: ColumnElement[bool] | None) -> Select[Any]:
    """By line: what came lately and was taken back lately is not held, and what was taken back of older shares counts."""
    share, at = PartnerShare.share_minor, PartnerShare.at
    seasoned = and_(at <= until, at > until - RESERVED_FOR)
    by_line = (
        select(
            PartnerShare.service,
            PartnerShare.currency,
            func.sum(share).label("minor"),
            func.greatest(func.sum(case((at > until, share), else_=0)), 0).label("held"),
            func.greatest(func.sum(case((seasoned, share), else_=0)), 0).label("seasoned"),
        )
        .where(true() if which is None else which)
        .group_by(PartnerShare.service, PartnerShare.currency, PartnerShare.line_id)
        .subquery()
    )
    sums = [func.sum(getattr(by_line.c, name)).label(name) for name in ("minor", "held", "seasoned")]
    keys = (by_line.c.service, by_line.c.currency)
    return select(*keys, *sums).group_by(*keys).order_by(*keys)


async def _paid(tx: Tx, services: Collection[str]) -> dict[tuple[str, str], Any]:
    done = func.sum(case((Payout.state == PayoutState.PAID, Payout.minor), else_=0)).label("done")
    statement = (
        select(Payout.service, Payout.currency, func.sum(Payout.minor).label("drawn"), done)
        .where(Payout.service.in_(services), Payout.state != PayoutState.FAILED)
        .group_by(Payout.service, Payout.currency)
    )
    return {(row.service, row.currency): row for row in await tx.execute(statement)}
