"""Telling that a part of a budget is reached: once for each month and step, from the worker's sweep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from broker.addons.spending import spending_of
from broker.billing.budget_models import Budget, BudgetNotice
from broker.billing.budgets import STEPS, Limit, ScopeKind, lock_limits
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.notices.outbox import notify

EVERY: Final = timedelta(minutes=15)
"""How often a budget is looked at without a change that asks for it: usage goes on."""
_AT_ONCE: Final = 20
_SCOPES: Final = {
    ScopeKind.ACCOUNT: "the whole account",
    ScopeKind.APP: "one of your apps",
    ScopeKind.SERVICE: "one of the services",
    ScopeKind.TOKEN: "one of your tokens",
}


async def look_at_budgets(ctx: Context) -> int:
    """Look at the accounts whose budgets are due, some of them at a time; how many notices were given.

    Transactions: one that takes them, so that no other worker does, and none that fails is in the way of others; then one
        per account.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        due = select(Budget.id).where(Budget.next_look_at <= now).order_by(Budget.next_look_at).limit(_AT_ONCE)
        mine = Budget.id.in_(due.with_for_update(skip_locked=True))
        taken = update(Budget).where(mine).values(next_look_at=now + EVERY).returning(Budget.account_id)
        accounts = set((await tx.execute(taken)).scalars())
    given = 0
    for account_id in sorted(accounts):
        async with ctx.database.transaction() as tx:
            given += await _look(tx, account_id, now)
    return given


async def _look(tx: Tx, account_id: UUID, at: datetime) -> int:
    limits = await lock_limits(tx, account_id)
    spending = await spending_of(tx, account_id, at)
    month = str(spending.history.month)
    given = [await _tell(tx, limit, month, spending.within(limit), at) for limit in limits]
    return sum(given)


async def _tell(tx: Tx, limit: Limit, month: str, used: int, at: datetime) -> int:
    """Give the notices of the steps that are reached and were not told of; how many they are."""
    rows = [
        {
            "budget_id": limit.id,
            "month": month,
            "step": step,
            "used_minor": used,
            "limit_minor": limit.limit_minor,
            "created_at": at,
        }
        for step in STEPS
        if used > 0 and used * 100 >= limit.limit_minor * step
    ]
    if not rows:
        return 0
    new = insert(BudgetNotice).values(rows).on_conflict_do_nothing().returning(BudgetNotice.step)
    told = sorted((await tx.execute(new)).scalars())
    for step in told:
        await emit(
            tx,
            "budget.reached",
            SYSTEM,
            at,
            budget=str(limit.id),
            account=str(limit.account_id),
            month=month,
            step=step,
        )
    if told:
        await _write(tx, limit, month, told[-1], used, at)
    return len(told)


async def _write(tx: Tx, limit: Limit, month: str, step: int, used: int, at: datetime) -> None:
    """One mail, about the highest of the steps that are reached at once."""
    facts = {
        "month": month,
        "step": step,
        "used_minor": used,
        "limit_minor": limit.limit_minor,
        "currency": limit.currency,
        "policy": limit.policy,
        "scope": _SCOPES[limit.kind],
    }
    await notify(tx, limit.account_id, "budget.reached", facts, at, key=f"budget.reached:{limit.id}:{month}:{step}")
