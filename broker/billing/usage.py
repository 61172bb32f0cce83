"""Usage periods: which plan an add-on was on, from when to when. Called with the open transaction; never commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, update

from broker.billing.models import UsagePeriod
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Subject:
    """What is used, by whom it is paid, and at which price. Units: cents per month."""

    addon_id: UUID
    app_id: UUID
    payer_id: UUID
    plan_id: UUID
    price_cents: int
    currency: str
    service: str
    plan: str
    terms: Mapping[str, Any]
    """What the price consists of besides, as the plan declares it now: later versions are not for this period."""


async def start_period(tx: Tx, subject: Subject, at: datetime) -> None:
    """Begin a period at `at`, cut to the whole second."""
    period = {"id": new_id(), "started_at": at.replace(microsecond=0)} | {
        field.name: getattr(subject, field.name) for field in fields(subject)
    }
    await _PERIOD.all(tx, **filled(period))


_PERIOD: Final = Direct(
    insert(UsagePeriod).values(
        placeholders("id addon_id app_id payer_id plan_id price_cents currency service plan terms started_at")
    )
)


async def end_period(tx: Tx, addon_id: UUID, at: datetime) -> None:
    """End the open period, if there is one, at `at`; one of no length is dropped."""
    end = at.replace(microsecond=0)
    open_now = (UsagePeriod.addon_id == addon_id, UsagePeriod.ended_at.is_(None))
    await tx.execute(delete(UsagePeriod).where(*open_now, UsagePeriod.started_at >= end))
    await tx.execute(update(UsagePeriod).where(*open_now).values(ended_at=end))
