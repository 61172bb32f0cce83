"""Whether a budget allows what is wanted: asked inside the transaction of the intent, before any provider is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from broker.addons.budget_requests import use_approval
from broker.addons.budget_views import title_of
from broker.addons.spending import Cost, Spending, origin_of, spending_of
from broker.billing.budgets import Limit, Place, Policy, ScopeKind, lock_limits, look_soon
from broker.billing.history import price_version
from broker.billing.prices import PriceKind
from broker.billing.usage import Subject
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.db import Tx
from broker.kernel.errors import BudgetExceeded
from broker.kernel.money import Money

_METERED = (PriceKind.METERED, PriceKind.FIXED_AND_METERED)


async def check_budgets(
    tx: Tx, actor: Actor, wanted: Subject, place: Place, at: datetime, *, changing: bool = False
) -> None:
    """Go on only if every budget that applies has room for the add-on on this price until the end of the month.

    `changing`: it is there already, on another price.

    Transactions: the caller's, that records the intent. The budgets stay locked until it ends, so that two that fit
    singly but not together are not both let in.
    Raises: BudgetExceeded.
    """
    limits = await lock_limits(tx, wanted.payer_id)
    if not limits:
        return
    place = replace(place, token_id=await origin_of(tx, place.token_id))
    limits = [limit for limit in limits if limit.counts(place)]
    before = await spending_of(tx, wanted.payer_id, at)
    after = before.having(wanted, place)
    if (limit := _exceeded(limits, before, after, wanted, place)) is not None:
        amount = Money(after.whole(wanted.currency) - before.whole(wanted.currency), wanted.currency)
        if not await use_approval(tx, wanted, place, amount, at, changing=changing):
            raise await _refusal(tx, actor, limit, after, amount)
    await look_soon(tx, [limit.id for limit in limits], at)


async def check_new_costs(tx: Tx, actor: Actor, account_id: UUID, costs: Sequence[Cost], at: datetime) -> None:
    """The same for all that an account takes over at once. There is no approval of that: whoever takes it over decides.

    Raises: BudgetExceeded.
    """
    limits = await lock_limits(tx, account_id)
    if not limits:
        return
    before = after = await spending_of(tx, account_id, at)
    for cost in costs:
        after = after.having(cost.subject, cost.place)
    for cost in costs:
        counting = [limit for limit in limits if limit.counts(cost.place)]
        if (limit := _exceeded(counting, before, after, cost.subject, cost.place)) is not None:
            currency = cost.subject.currency
            amount = Money(after.whole(currency) - before.whole(currency), currency)
            raise await _refusal(tx, actor, limit, after, amount)
    await look_soon(tx, [limit.id for limit in limits], at)


def _exceeded(
    limits: Sequence[Limit], before: Spending, after: Spending, wanted: Subject, place: Place
) -> Limit | None:
    """The smallest of the budgets that forbid it."""
    metered = price_version(wanted).kind in _METERED and not _was_metered(before, wanted)
    # What another token had added counts as this one's before and after: only what is added to it is new.
    before = replace(before, places={**before.places, wanted.addon_id: place})
    covered = {(limit.kind, limit.scope_id) for limit in limits if limit.currency == wanted.currency}
    for limit in limits:
        if limit.policy is Policy.NOTIFY:
            continue
        if limit.currency != wanted.currency and (limit.kind, limit.scope_id) not in covered:
            return limit
        was, comes = before.within(limit), after.within(limit)
        if comes > was and comes > limit.limit_minor:
            return limit
        if metered and limit.currency == wanted.currency and comes >= limit.limit_minor:
            return limit
    return None


def _was_metered(before: Spending, wanted: Subject) -> bool:
    """Whether the add-on is on a metered price already."""
    present = [each for each in before.history.segments if each.resource == wanted.addon_id and each.end is None]
    return any(segment.price.kind in _METERED for segment in present)


async def _refusal(tx: Tx, actor: Actor, limit: Limit, after: Spending, amount: Money) -> BudgetExceeded:
    name, allowed = await title_of(tx, limit), Money(limit.limit_minor, limit.currency)
    total = Money(after.within(limit), limit.currency)
    fields: dict[str, Any] = {"amount_minor": amount.minor}
    if actor.id not in (limit.account_id, SYSTEM.id):  # how much that is, and of how much, is not for others
        why = f"With it, a budget of whoever pays for the app would be exceeded in {after.history.month}."
        return BudgetExceeded(f"{why} Choose a smaller plan, or ask for approval with --request.", **fields)
    if limit.currency != amount.currency:
        why = f"It is priced in {amount.currency.upper()}, which the budget in {limit.currency.upper()} for {name} can't count."
    elif actor.only_apps is not None and limit.kind not in (ScopeKind.APP, ScopeKind.TOKEN):
        why = f"With it, {name} would exceed its budget in {after.history.month}."  # how far is not for this token
    else:
        why = f"With it, {name} would come to {total} in {after.history.month}, and its budget is {allowed}."
        budget = {"id": str(limit.id), "limit_minor": limit.limit_minor, "currency": limit.currency}
        fields |= {"budget": budget, "used_minor": total.minor}
    return BudgetExceeded(
        f"{why} Choose a smaller plan, raise the limit with `broker budgets:set`, or ask for approval with --request.",
        **fields,
    )
