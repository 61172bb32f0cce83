"""Which meters an add-on had at which time, as its usage periods tell it. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, func, literal, select

from broker.billing.models import BillingAccount, UsagePeriod
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Held:
    """A plan from an instant on, with its meters by name, and the zone of whoever paid for it."""

    plan: str
    mode: str
    zone: str
    payer_id: UUID
    started_at: datetime
    ended_at: datetime | None
    meters: Mapping[str, Mapping[str, Any]]

    def meter(self, name: str) -> Mapping[str, Any] | None:
        """The meter as the plan declared it."""
        return self.meters.get(name)

    def is_priced(self, name: str) -> bool:
        """Whether what it counts can cost something."""
        meter = self.meters.get(name, {})
        return bool(meter.get("unit_price") or meter.get("tiers"))


@dataclass(frozen=True, slots=True)
class MeteredAddon:
    """An add-on that was active some time: every plan that it was on, the oldest first."""

    held: tuple[Held, ...]

    @property
    def started_at(self) -> datetime:
        return self.held[0].started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.held[-1].ended_at

    def held_at(self, at: datetime) -> Held:
        """What it was on then; before the first the first, after the last the last."""
        for held in reversed(self.held):
            if held.started_at <= at:
                return held
        return self.held[0]


async def metered_addons(tx: Tx, service: str, addon_ids: Collection[UUID]) -> dict[UUID, MeteredAddon]:
    """Those of the add-ons that are the service's and were active some time."""
    columns = (
        UsagePeriod.addon_id, UsagePeriod.plan, UsagePeriod.mode, UsagePeriod.terms, UsagePeriod.payer_id,
        UsagePeriod.started_at, UsagePeriod.ended_at, func.coalesce(BillingAccount.zone, "UTC").label("zone"),
    )  # fmt: skip
    periods = (
        select(*columns)
        .outerjoin(BillingAccount, BillingAccount.id == UsagePeriod.payer_id)
        .where(UsagePeriod.addon_id == any_(literal(list(addon_ids), ARRAY(Uuid))), UsagePeriod.service == service)
        .order_by(UsagePeriod.addon_id, UsagePeriod.started_at)
    )
    found: dict[UUID, list[Held]] = defaultdict(list)
    for row in await tx.execute(periods):
        meters = {meter["name"]: meter for meter in row.terms.get("meters", ())}
        held = Held(row.plan, row.mode, row.zone, row.payer_id, row.started_at, row.ended_at, meters)
        found[row.addon_id].append(held)
    return {addon_id: MeteredAddon(tuple(held)) for addon_id, held in found.items()}
