"""Trials as they are shown: whose, of what, until when, and what follows. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select

from broker.addons.models import Addon
from broker.addons.term_models import Trial
from broker.apps.models import App
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class TrialView:
    """An account's trial of a service. Without an add-on, what is left of it waits for the next one, or it is over.

    Units: `price_cents` per month, in minor units of `currency`.
    """

    account_id: UUID
    service: str
    addon_id: UUID | None
    addon_name: str | None
    app_id: UUID | None
    app_name: str | None
    plan: str | None
    price_cents: int | None
    currency: str | None
    started_at: datetime | None
    ends_at: datetime | None
    accepted_at: datetime | None
    outcome: str | None
    """`paid` or `suspended`, once it is over."""


async def list_trials(ctx: Context, actor: Actor) -> list[TrialView]:
    """The trials that the actor's account has or had, by service.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await trial_views(tx, Trial.account_id == actor.id)


async def trials_of(tx: Tx, addon_ids: Collection[UUID]) -> dict[UUID, TrialView]:
    """Those of these add-ons that are on trial, or suspended after it."""
    found = await trial_views(tx, Trial.addon_id.in_(addon_ids)) if addon_ids else []
    return {view.addon_id: view for view in found if view.addon_id is not None}


async def trial_views(tx: Tx, which: ColumnElement[bool]) -> list[TrialView]:
    """The trials that fit."""
    plan = (AddonService.slug + ":" + Plan.slug).label("plan")
    columns = (
        Trial.account_id, AddonService.slug.label("service"), Trial.addon_id, Addon.name.label("addon_name"),
        App.id.label("app_id"), App.name.label("app_name"), plan, Addon.price_cents, Addon.currency, Trial.started_at,
        Trial.ends_at, Trial.accepted_at, Trial.outcome,
    )  # fmt: skip
    joined = select(*columns).join(AddonService, AddonService.id == Trial.service_id)
    joined = joined.outerjoin(Addon, Addon.id == Trial.addon_id).outerjoin(App, App.id == Addon.app_id)
    joined = joined.outerjoin(Plan, Plan.id == Addon.plan_id).where(which)
    return [TrialView(**row._asdict()) for row in await tx.execute(joined.order_by(AddonService.slug))]
