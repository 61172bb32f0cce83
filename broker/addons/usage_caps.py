"""Budgets that end what is metered: which reports of usage they have no room for. Asked while the reports are stored."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy import select

from broker.addons.spending import Spending, spending_of
from broker.billing.budget_models import Budget
from broker.billing.budgets import Limit, Policy, lock_limits
from broker.billing.intake import Candidate, Report
from broker.billing.metering import Reading
from broker.billing.months import Month
from broker.kernel.db import Tx


async def beyond_budgets(tx: Tx, candidates: Sequence[Candidate]) -> list[Report]:
    """Those of the reports that would cost more than a budget with the policy `suspend_metered` allows.

    As many as fit are let in, in the order of their times; none in part.

    Transactions: the caller's, that stores the rest. The budgets stay locked until it ends.
    """
    payers = {candidate.payer_id for candidate in candidates}
    held = select(Budget.account_id).where(Budget.account_id.in_(payers), Budget.policy == Policy.SUSPEND_METERED)
    capped = set((await tx.execute(held)).scalars()) if payers else set()
    found: list[Report] = []
    for payer_id in sorted(capped):
        found += await _beyond(tx, payer_id, [each for each in candidates if each.payer_id == payer_id])
    return found


async def _beyond(tx: Tx, payer_id: UUID, candidates: Sequence[Candidate]) -> list[Report]:
    limits = [limit for limit in await lock_limits(tx, payer_id) if limit.policy is Policy.SUSPEND_METERED]
    by_month: dict[Month, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda each: (each.at, each.report.source, each.report.id)):
        by_month[candidate.month].append(candidate)
    found: list[Report] = []
    for month, reported in by_month.items():
        spending = await spending_of(tx, payer_id, month.end - timedelta(seconds=1))
        for limit in limits:
            reported, refused = _split(spending, limit, reported)
            found += refused
    return found


def _split(spending: Spending, limit: Limit, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Report]]:
    """What the limit lets in, and what not: everything of its scope from the first report on that does not fit."""
    places = spending.places
    of_scope = [each for each in candidates if limit.counts(places[each.report.addon_id])]
    allowed = max(limit.limit_minor, spending.within(limit))
    others = [each for each in candidates if each not in of_scope]

    def exceeds(count: int) -> bool:
        readings = (*spending.history.readings, *map(_reading, others), *map(_reading, of_scope[:count]))
        return replace(spending, history=replace(spending.history, readings=readings)).within(limit) > allowed

    fitting = bisect_right(range(len(of_scope) + 1), False, key=exceeds) - 1
    beyond = of_scope[fitting:]
    return [each for each in candidates if each not in beyond], [each.report for each in beyond]


def _reading(candidate: Candidate) -> Reading:
    report = candidate.report
    return Reading(
        source=f"{report.addon_id} {report.source}",
        id=report.id,
        resource=report.addon_id,
        meter=report.meter,
        quantity=Fraction(report.quantity),
        at=candidate.at,
        subject=report.subject,
    )
