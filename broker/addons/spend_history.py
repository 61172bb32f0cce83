"""What an account spent over the months, by app, service and tag: what was billed, and of months that are not closed what has accrued."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, case, func, select

from broker.addons.costs import CostStatement, account_costs
from broker.billing.models import CreditNoteLine, Invoice, InvoiceLine, InvoiceState
from broker.kernel.context import Actor, Context, Scope

MOST_MONTHS: Final = 24


@dataclass(frozen=True, slots=True)
class Spent:
    """What the add-ons of one service on one app cost in a month. Units: minor units, after discounts and credit notes."""

    month: str
    currency: str
    app_id: UUID
    app: str
    service: str
    minor: int
    coming_minor: int = 0
    """What is still to come until the month's end, if nothing changes."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Those on the bill, or of now where there is none yet."""


@dataclass(frozen=True, slots=True)
class SpendHistory:
    """Months such as `2026-11`, the oldest first and without a gap, and what was spent in them."""

    months: Sequence[str]
    spent: Sequence[Spent]


async def spend_history(ctx: Context, actor: Actor, months: int = 12) -> SpendHistory:
    """The last months of the actor's account, the present one too.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    present = await account_costs(ctx, actor)
    wanted = months_until(str(present[0].accrual.now.month), min(max(months, 1), MOST_MONTHS))
    async with ctx.database.transaction() as tx:
        billed = [_billed(row) for row in await tx.execute(_lines(actor.id, wanted))]
    closed = {each.month for each in billed}
    found = [*billed, *_accrued(present)]
    if len(wanted) > 1 and wanted[-2] not in closed:  # it is over, but late reports are still being waited for
        found += _accrued(await account_costs(ctx, actor, wanted[-2]))
    return SpendHistory(wanted, sorted(found, key=lambda each: (each.month, each.app, each.service)))


def months_until(last: str, count: int) -> list[str]:
    """So many months up to this one, the oldest first."""
    year, month = int(last[:4]), int(last[5:])
    numbers = range(year * 12 + month - count, year * 12 + month)
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers]


def _lines(account_id: UUID, months: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Sums of what is on bills, without what was taken back of it."""
    is_inclusive = func.coalesce(Invoice.terms["tax"]["inclusive"].as_boolean(), False)
    tax = case((is_inclusive, CreditNoteLine.tax_minor), else_=0)
    back = (
        select(CreditNoteLine.line_id, func.sum(CreditNoteLine.net_minor + tax).label("minor"))
        .join(InvoiceLine, InvoiceLine.id == CreditNoteLine.line_id)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.account_id == account_id, Invoice.month.in_(months))
        .group_by(CreditNoteLine.line_id)
        .subquery()
    )
    minor = InvoiceLine.minor - InvoiceLine.discount_minor - InvoiceLine.promo_minor - func.coalesce(back.c.minor, 0)
    keys = (Invoice.month, Invoice.currency, InvoiceLine.app_id)
    return (
        select(*keys, func.max(InvoiceLine.app), InvoiceLine.service, func.sum(minor), InvoiceLine.tags)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .outerjoin(back, back.c.line_id == InvoiceLine.id)
        .where(Invoice.account_id == account_id, Invoice.month.in_(months), Invoice.state != InvoiceState.VOID)
        .group_by(*keys, InvoiceLine.service, InvoiceLine.tags)
    )


def _billed(row: Any) -> Spent:
    month, currency, app_id, app, service, minor, tags = row
    return Spent(month, currency, app_id, app, service, int(minor), tags=tags)


def _accrued(costs: Iterable[CostStatement]) -> list[Spent]:
    sums: dict[tuple[str, str, UUID, str, str], list[int]] = defaultdict(lambda: [0, 0])
    tags: dict[UUID, Mapping[str, str]] = {}
    for each in costs:
        month, currency = str(each.accrual.now.month), each.accrual.now.currency
        for line in each.lines:
            of_it = sums[month, currency, line.app_id, line.app_name, line.forecast.price.service]
            so_far = line.now.net_minor if line.now else 0
            tags[line.app_id] = line.tags
            of_it[0] += so_far
            of_it[1] += max(line.forecast.net_minor - so_far, 0)
    return [Spent(*key, so_far, coming, tags[key[2]]) for key, (so_far, coming) in sums.items()]
