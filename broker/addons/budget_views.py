"""Budgets, notices and requests as they are shown and spoken of: with the names of what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from broker.accounts.models import Authorization
from broker.addons.spending import Spending, spending_of
from broker.apps.models import App
from broker.billing.budget_models import Budget, BudgetNotice
from broker.billing.budgets import Limit, Policy, ScopeKind
from broker.catalog.models import AddonService
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget and how much of it is used in this month. Units: minor units of its currency, before tax."""

    limit: Limit
    scope_name: str
    month: str
    used_minor: int
    """What has accrued, and what everything that is there costs until the month's end."""
    created_at: datetime
    updated_at: datetime

    @property
    def title(self) -> str:
        """What it is for, in words."""
        return title(self.limit.kind, self.scope_name)


@dataclass(frozen=True, slots=True)
class NoticeView:
    """That a part of a budget was reached, in percent."""

    month: str
    step: int
    used_minor: int
    limit_minor: int
    currency: str
    created_at: datetime


def title(kind: ScopeKind, name: str) -> str:
    """What a budget is for, in words: `the app shop`."""
    return "the whole account" if kind is ScopeKind.ACCOUNT else f"the {kind} {name}"


async def title_of(tx: Tx, limit: Limit) -> str:
    """The same of one budget."""
    (row,) = await _named(tx, Budget.id == limit.id)
    return title(limit.kind, row.scope_name)


async def budget_views(tx: Tx, account_id: UUID, at: datetime, budget_id: UUID | None = None) -> list[BudgetView]:
    """The budgets of an account, or the one of them, oldest first."""
    mine = Budget.account_id == account_id
    rows = await _named(tx, mine if budget_id is None else mine & (Budget.id == budget_id))
    if not rows:
        return []
    spending = await spending_of(tx, account_id, at)
    return [_view(row, spending) for row in rows]


async def notice_views(tx: Tx, limit: Limit) -> list[NoticeView]:
    """The notices that a budget gave, newest first."""
    columns = (
        BudgetNotice.month, BudgetNotice.step, BudgetNotice.used_minor, BudgetNotice.limit_minor, BudgetNotice.created_at
    )  # fmt: skip
    given = select(*columns).where(BudgetNotice.budget_id == limit.id)
    rows = await tx.execute(given.order_by(BudgetNotice.month.desc(), BudgetNotice.step.desc()))
    return [NoticeView(*row[:4], limit.currency, row[4]) for row in rows]


async def _named(tx: Tx, condition: ColumnElement[bool]) -> Sequence[Any]:
    name = (
        select(App.name).where(App.id == Budget.scope_id).scalar_subquery(),
        select(AddonService.slug).where(AddonService.id == Budget.scope_id).scalar_subquery(),
        select(Authorization.description).where(Authorization.id == Budget.scope_id).scalar_subquery(),
    )
    named = select(*Budget.__table__.columns, _first_of(*name).label("scope_name")).where(condition)
    return (await tx.execute(named.order_by(Budget.created_at, Budget.id))).all()


def _first_of(*names: Any) -> ColumnElement[str]:
    """Ids are of one kind only: no two of these are there."""
    return func.coalesce(*names, "")


def _view(row: Any, spending: Spending) -> BudgetView:
    limit = Limit(
        row.id,
        row.account_id,
        ScopeKind(row.scope_kind),
        row.scope_id,
        row.limit_minor,
        row.currency,
        Policy(row.policy),
    )
    month = str(spending.history.month)
    return BudgetView(limit, row.scope_name, month, spending.within(limit), row.created_at, row.updated_at)
