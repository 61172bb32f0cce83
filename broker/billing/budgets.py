"""Budgets as limits: which an account has, what they forbid, and what of a statement they count. Never commits.

What they are called and who sees them is told in `addons/budgets.py`, which knows apps and services by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, update

from broker.billing.budget_models import Budget
from broker.billing.history import History, price_version
from broker.billing.months import whole_second
from broker.billing.timeline import Segment
from broker.billing.usage import Subject
from broker.kernel.db import Tx
from broker.kernel.direct import Direct

STEPS: Final = (50, 80, 100)
"""Of which parts notice is given. Units: percent."""


class ScopeKind(StrEnum):
    """What a budget is for."""

    ACCOUNT = "account"
    APP = "app"
    SERVICE = "service"
    TOKEN = "token"  # noqa: S105 - no secret, but what budgets of tokens are called


class Policy(StrEnum):
    """What happens when the limit is reached. Nothing is ever deleted."""

    NOTIFY = "notify"
    BLOCK_NEW = "block_new"
    """What would exceed it is refused."""
    SUSPEND_METERED = "suspend_metered"
    """That, and usage that providers report from then on is refused, too."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget as far as it decides. Units: minor units of `currency`."""

    id: UUID
    account_id: UUID
    kind: ScopeKind
    scope_id: UUID
    limit_minor: int
    currency: str
    policy: Policy

    def counts(self, place: Place) -> bool:
        """Whether what an add-on there costs is within its scope."""
        return self.kind is ScopeKind.ACCOUNT or self.scope_id == place.of(self.kind)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an add-on belongs. The token is the one that its present plan was asked for with."""

    app_id: UUID
    service_id: UUID
    token_id: UUID | None

    def of(self, kind: ScopeKind) -> UUID | None:
        """The scope of this kind that it is in."""
        return {ScopeKind.APP: self.app_id, ScopeKind.SERVICE: self.service_id, ScopeKind.TOKEN: self.token_id}[kind]


async def lock_limits(tx: Tx, account_id: UUID) -> list[Limit]:
    """The budgets of an account, which nobody else can check against until the transaction ends; the smallest first.

    One statement by an index, and none that writes: most accounts have no budget.
    """
    rows = await _LOCK.all(tx, account_id=account_id)
    return sorted(map(_limit, rows), key=lambda limit: (limit.limit_minor, limit.id))


_COLUMNS: Final = (
    Budget.id,
    Budget.account_id,
    Budget.scope_kind,
    Budget.scope_id,
    Budget.limit_minor,
    Budget.currency,
    Budget.policy,
)
_LOCK: Final = Direct(
    select(*_COLUMNS).where(Budget.account_id == bindparam("account_id")).order_by(Budget.id).with_for_update()
)


def _limit(row: Any) -> Limit:
    budget_id, account_id, kind, scope_id, limit_minor, currency, policy = row
    return Limit(budget_id, account_id, ScopeKind(kind), scope_id, limit_minor, currency, Policy(policy))


async def look_soon(tx: Tx, budget_ids: Collection[UUID], at: datetime) -> None:
    """Have the sweep look at these budgets as soon as this is committed."""
    await tx.execute(update(Budget).where(Budget.id.in_(budget_ids)).values(next_look_at=at))


def with_planned(history: History, planned: Iterable[Subject], at: datetime) -> History:
    """The history as it is going to be when these add-ons are on these prices from now on."""
    coming = {subject.addon_id: subject for subject in planned}
    kept = without(history, coming.keys(), at)
    return replace(kept, segments=(*kept.segments, *(_segment(subject, at) for subject in coming.values())))


def without(history: History, addons: Collection[UUID], at: datetime) -> History:
    """The history as it is going to be when these add-ons end now."""
    end = whole_second(at)
    cut = [
        replace(segment, end=end) if segment.end is None and segment.resource in addons else segment
        for segment in history.segments
    ]
    return replace(history, segments=tuple(s for s in cut if s.end is None or s.start < s.end))


def _segment(subject: Subject, at: datetime) -> Segment:
    price = price_version(subject)
    return Segment(subject.addon_id, subject.addon_id, subject.payer_id, price, whole_second(at), mode=subject.mode)


def committed(history: History, currency: str) -> Mapping[UUID, int]:
    """What each add-on costs in the month: so far, and until its end if nothing changes any more.

    Units: minor units, after discounts and before tax.
    """
    found: dict[UUID, int] = defaultdict(int)
    for line in history.statement(currency, at=history.month.end).lines:
        found[line.resource] += line.net_minor
    return found
