"""What an account is going to spend in this month: on what it has, and on what is under way. Never commits.

Whether that is too much, `budget_check.py` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, ScalarSelect, Select, case, func, or_, select
from sqlalchemy.orm import aliased

from broker.accounts.models import Authorization
from broker.addons.models import Addon, AddonState, Operation, OperationKind, OperationState
from broker.addons.term_models import Trial
from broker.apps.collaborators import paid_by
from broker.apps.models import App
from broker.billing.budgets import Limit, Place, committed, with_planned, without
from broker.billing.history import History, account_of, history_of
from broker.billing.months import month_of
from broker.billing.timeline import Mode
from broker.billing.usage import Subject, open_subjects, price_terms
from broker.catalog.models import AddonService, Plan
from broker.catalog.views import PlanView
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Spending:
    """What an account has and is going to have in the month, and where each of it belongs."""

    history: History
    places: Mapping[UUID, Place]
    at: datetime
    _costs: dict[str, Mapping[UUID, int]] = field(init=False, repr=False, compare=False, default_factory=dict)
    """By currency, when they have been asked for: several budgets look at the same statement."""

    def within(self, limit: Limit) -> int:
        """What the add-ons in the scope of a budget cost until the month's end, in its currency. Units: minor units."""
        costs = self._committed(limit.currency)
        return sum(cost for addon_id, cost in costs.items() if limit.counts(self.places[addon_id]))

    def whole(self, currency: str) -> int:
        """The same of everything."""
        return sum(self._committed(currency).values())

    def _committed(self, currency: str) -> Mapping[UUID, int]:
        if currency not in self._costs:
            self._costs[currency] = committed(self.history, currency)
        return self._costs[currency]

    def having(self, subject: Subject, place: Place) -> Spending:
        """The same, with an add-on on a price from now on."""
        history = with_planned(self.history, [subject], self.at)
        return replace(self, history=history, places={**self.places, subject.addon_id: place})

    def losing(self, addon_id: UUID) -> Spending:
        """The same, with an add-on destroyed now."""
        return replace(self, history=without(self.history, [addon_id], self.at))


async def spending_of(tx: Tx, payer_id: UUID, at: datetime) -> Spending:
    """Five statements at the most, each by its indexes, however much there is: what was used is read summed up."""
    terms, zone = await account_of(tx, payer_id)
    history = await history_of(tx, terms, month_of(at, zone), ends=[at])
    wanted = {segment.resource for segment in history.segments}
    wanted |= set((await tx.execute(_under_way_for(payer_id))).scalars())
    rows = (await tx.execute(_addons(wanted))).all() if wanted else []
    coming = [_coming(row, payer_id) for row in rows if row.coming and row.payer_id == payer_id]
    places = {row.id: Place(row.app_id, row.service_id, row.token_id) for row in rows}
    return Spending(with_planned(history, coming, at), places, at)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an add-on costs from now on, and where it belongs."""

    subject: Subject
    place: Place


async def costs_of(tx: Tx, addon_ids: Collection[UUID], payer_id: UUID) -> list[Cost]:
    """What these add-ons cost, as this account would pay for them: at their prices, or at the dearer one that is coming."""
    if not addon_ids:
        return []
    rows = (await tx.execute(_addons(addon_ids).order_by(Addon.id))).all()
    now = {subject.addon_id: subject for subject in await open_subjects(tx, addon_ids)}
    found = {row.id: _coming(row, payer_id) if row.coming else now.get(row.id) for row in rows}
    return [
        Cost(replace(subject, payer_id=payer_id), Place(row.app_id, row.service_id, row.token_id))
        for row in rows
        if (subject := found[row.id]) is not None
    ]


def planned(addon_id: UUID, app_id: UUID, payer_id: UUID, plan: PlanView, mode: Mode = Mode.PAID) -> Subject:
    """An add-on as it is going to be billed on a plan."""
    return Subject(
        addon_id=addon_id,
        app_id=app_id,
        payer_id=payer_id,
        plan_id=plan.id,
        price_cents=plan.price_cents,
        currency=plan.currency,
        service=plan.service.slug,
        plan=plan.slug,
        terms=price_terms(plan.meters, plan.suspended_cents),
        mode=mode,
    )


def _coming(row: Row[Any], payer_id: UUID) -> Subject:
    return Subject(
        addon_id=row.id,
        app_id=row.app_id,
        payer_id=payer_id,
        plan_id=row.plan_id,
        price_cents=row.price_cents,
        currency=row.currency,
        service=row.service,
        plan=row.plan,
        terms=price_terms(row.meters, row.suspended_cents),
        mode=Mode.TRIAL if row.on_trial else Mode.PAID,
    )


_MADE: Final = (OperationKind.PROVISION, OperationKind.PLAN_CHANGE)
_UNDER_WAY: Final = (Operation.addon_id == Addon.id) & Operation.finished_at.is_(None) & Operation.kind.in_(_MADE)


def _under_way_for(payer_id: UUID) -> Select[UUID]:
    """The add-ons of apps that this user pays for, that something is under way for which costs."""
    of_apps = select(Addon.id).join(App, App.id == Addon.app_id).where(paid_by(payer_id))
    return of_apps.join(Operation, _UNDER_WAY)


def _addons(wanted: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    """Where these add-ons belong, and what is coming for them."""
    is_new = Addon.state == AddonState.PROVISIONING
    # Until the provider agrees it may be either plan: the dearer one counts.
    is_dearer = (Operation.kind == OperationKind.PLAN_CHANGE) & (Plan.price_cents > Addon.price_cents)
    return (
        select(
            Addon.id,
            Addon.app_id,
            Addon.service_id,
            _token().label("token_id"),
            (Operation.id.is_not(None) & or_(is_new, is_dearer)).label("coming"),
            Plan.id.label("plan_id"),
            Plan.slug.label("plan"),
            case((is_new, Addon.price_cents), else_=Plan.price_cents).label("price_cents"),
            case((is_new, Addon.currency), else_=Plan.currency).label("currency"),
            Plan.meters,
            Plan.suspended_cents,
            ((Plan.trial_days > 0) & Trial.addon_id.is_not(None)).label("on_trial"),
            func.coalesce(App.payer_id, App.owner_id).label("payer_id"),
            AddonService.slug.label("service"),
        )
        .select_from(Addon)
        .join(AddonService, AddonService.id == Addon.service_id)
        .join(App, App.id == Addon.app_id)
        .outerjoin(Trial, (Trial.addon_id == Addon.id) & Trial.outcome.is_(None))
        .outerjoin(Operation, _UNDER_WAY)
        .join(Plan, Plan.id == func.coalesce(Operation.plan_id, Addon.plan_id))
        .where(Addon.id.in_(wanted))
    )


def _token() -> ScalarSelect[UUID]:
    """The token that the present plan of an add-on was asked for with."""
    choices = aliased(Operation)
    chosen = (choices.addon_id == Addon.id) & choices.kind.in_(_MADE) & (choices.state != OperationState.FAILED)
    asked_with = select(func.coalesce(Authorization.parent_id, choices.authorization_id)).select_from(choices)
    newest = asked_with.outerjoin(Authorization, Authorization.id == choices.authorization_id).where(chosen)
    return newest.order_by(choices.created_at.desc(), choices.id.desc()).limit(1).correlate(Addon).scalar_subquery()


async def origin_of(tx: Tx, authorization_id: UUID | None) -> UUID | None:
    """The token that this one was narrowed from, or itself: whoever narrows a token stays within its budget."""
    parent = select(Authorization.parent_id).where(Authorization.id == authorization_id)
    return (await tx.execute(parent)).scalar() or authorization_id
