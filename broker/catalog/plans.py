"""Bringing the stored plans of a service in line with its manifest, keeping every price they ever had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from broker.catalog.manifest_plans import PlanSpec, PlanState
from broker.catalog.models import Plan, PlanPrice
from broker.kernel.db import Tx
from broker.kernel.ids import new_id


async def sync_plans(tx: Tx, service_id: UUID, specs: Sequence[PlanSpec], now: datetime) -> None:
    """Add and update the plans by slug; hide those that are left out.

    Transactions: the caller holds the lock of the service, so that nobody else changes its plans.
    """
    await _retire(tx, service_id, [spec.slug for spec in specs], now)
    rows = await tx.execute(
        select(Plan.slug, Plan.id, Plan.price_cents, Plan.currency).where(Plan.service_id == service_id)
    )
    known = {row.slug: row for row in rows}
    for position, spec in enumerate(specs):
        values = _declared(spec, position) | {"updated_at": now}
        row = known.get(spec.slug)
        if row is None:
            plan_id = new_id()
            await tx.execute(insert(Plan).values(id=plan_id, service_id=service_id, created_at=now, **values))
            await _add_price(tx, plan_id, spec, now)
        else:
            await tx.execute(update(Plan).where(Plan.id == row.id).values(**values))
            if (row.price_cents, row.currency) != (spec.price_cents, spec.currency):
                await _add_price(tx, row.id, spec, now)


async def _retire(tx: Tx, service_id: UUID, kept: list[str], now: datetime) -> None:
    of_service = update(Plan).where(Plan.service_id == service_id)
    # First of all: at most one plan may be the default at any moment.
    await tx.execute(of_service.where(Plan.is_default).values(is_default=False))
    gone = of_service.where(Plan.slug.not_in(kept), Plan.state != PlanState.HIDDEN)
    await tx.execute(gone.values(state=PlanState.HIDDEN, updated_at=now))


async def _add_price(tx: Tx, plan_id: UUID, spec: PlanSpec, now: datetime) -> None:
    newest = (await tx.execute(select(func.max(PlanPrice.valid_from)).where(PlanPrice.plan_id == plan_id))).scalar()
    # Prices are told apart by their instant, also when two follow one another within a tick of the clock.
    valid_from = max(now, newest + timedelta(microseconds=1)) if newest else now
    await tx.execute(
        insert(PlanPrice).values(
            id=new_id(),
            plan_id=plan_id,
            price_cents=spec.price_cents,
            currency=spec.currency,
            valid_from=valid_from,
        )
    )


def _declared(spec: PlanSpec, position: int) -> dict[str, Any]:
    return {
        "slug": spec.slug,
        "human_name": spec.human_name,
        "description": spec.description,
        "is_default": spec.is_default,
        "state": spec.state,
        "position": position,
        "price_cents": spec.price_cents,
        "currency": spec.currency,
        "features": [list(pair) for pair in spec.features],
        "regions": list(spec.regions),
        "options_schema": spec.options_schema,
        "meters": list(spec.meters),
        "trial_days": spec.trial_days,
        "suspended_cents": spec.suspended_cents,
    }
