"""What needs an operator, counted: one look at everything that does not go on without somebody. Reading alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from broker.addons.gate import Circuit
from broker.addons.models import Operation, Orphan, OrphanState, ProviderHealth
from broker.addons.operations import is_stuck, is_unfinished
from broker.billing.models import BillingAccount, BillingCheck
from broker.catalog.models import AddonService, Plan, ServiceReview
from broker.events.audit import ChainState, chain_state
from broker.flags.switch import switched_off
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.jobs import QueueLength, queue_lengths
from broker.kernel.money import Money
from broker.payouts.models import Payout, PayoutState


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The newest nightly comparison of the books; `finished_at` is None while it goes on."""

    bills: int
    differences: Sequence[str]
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attention:
    """What waits for somebody."""

    unfinished: int
    stuck: int
    orphans: int
    orphans_cost: Sequence[Money]
    """What they cost a month if they are still there, by currency."""
    failing: Sequence[str]
    """Services that are left alone because they do not answer as they should."""
    delinquent: int
    suspended: int
    reviews: int
    drafts: int
    drafts_sum: Sequence[Money]
    approved: int
    """Payouts that are to be transferred."""
    check: LastCheck | None
    chain: ChainState
    queues: Sequence[QueueLength]
    off: Sequence[str]
    """What operators have switched off, and should not forget."""


async def look_over(ctx: Context, actor: Actor) -> Attention:
    """Count it all.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        return await _counted(tx, now)


async def _counted(tx: Tx, now: datetime) -> Attention:
    going = select(func.count(), func.count().filter(is_stuck(now))).select_from(Operation).where(is_unfinished())
    unfinished, stuck = (await tx.execute(going)).one()
    late = select(func.count(), func.count(BillingAccount.suspended_at)).where(
        BillingAccount.delinquent_at.is_not(None)
    )
    delinquent, suspended = (await tx.execute(late)).one()
    asked = select(func.count()).select_from(ServiceReview).where(ServiceReview.state == "pending")
    orphans, cost = await _orphans(tx)
    drafts, drafts_sum = await _drafts(tx)
    ready = select(func.count()).select_from(Payout).where(Payout.state == PayoutState.APPROVED)
    return Attention(
        unfinished=unfinished,
        stuck=stuck,
        orphans=orphans,
        orphans_cost=cost,
        failing=await _failing(tx),
        delinquent=delinquent,
        suspended=suspended,
        reviews=(await tx.execute(asked)).scalar_one(),
        drafts=drafts,
        drafts_sum=drafts_sum,
        approved=(await tx.execute(ready)).scalar_one(),
        check=await _last_check(tx),
        chain=await chain_state(tx),
        queues=await queue_lengths(tx),
        off=await switched_off(tx),
    )


async def _orphans(tx: Tx) -> tuple[int, list[Money]]:
    sums = (
        select(Plan.currency, func.count(), func.sum(Orphan.price_cents))
        .join(Plan, Plan.id == Orphan.plan_id)
        .where(Orphan.state == OrphanState.OPEN)
        .group_by(Plan.currency)
        .order_by(Plan.currency)
    )
    return _summed((await tx.execute(sums)).all())


async def _drafts(tx: Tx) -> tuple[int, list[Money]]:
    sums = select(Payout.currency, func.count(), func.sum(Payout.minor)).where(Payout.state == PayoutState.DRAFT)
    return _summed((await tx.execute(sums.group_by(Payout.currency).order_by(Payout.currency))).all())


def _summed(rows: Sequence[Any]) -> tuple[int, list[Money]]:
    return sum(row[1] for row in rows), [Money(int(minor), currency) for currency, _, minor in rows if minor]


async def _failing(tx: Tx) -> Sequence[str]:
    left_alone = (
        select(AddonService.slug)
        .join(ProviderHealth, ProviderHealth.service_id == AddonService.id)
        .where(ProviderHealth.circuit != Circuit.CLOSED)
        .order_by(AddonService.slug)
    )
    return (await tx.execute(left_alone)).scalars().all()


async def _last_check(tx: Tx) -> LastCheck | None:
    columns = (BillingCheck.checked, BillingCheck.differences, BillingCheck.started_at, BillingCheck.finished_at)
    row = (await tx.execute(select(*columns).order_by(BillingCheck.started_at.desc()).limit(1))).one_or_none()
    return None if row is None else LastCheck(*row)
