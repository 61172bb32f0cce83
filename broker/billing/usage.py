"""Usage periods: which plan an add-on was on, from when to when. Called with the open transaction; never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from broker.billing.models import UsagePeriod
from broker.billing.timeline import Mode
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
    mode: Mode = Mode.PAID


def price_terms(meters: Sequence[Mapping[str, Any]], suspended_cents: int = 0) -> dict[str, Any]:
    """What `Subject.terms` are made of. Units: cents per month."""
    found: dict[str, Any] = {"meters": list(meters)} if meters else {}
    return found | ({"suspended_cents": suspended_cents} if suspended_cents else {})


async def start_period(tx: Tx, subject: Subject, at: datetime) -> None:
    """Begin a period at `at`, cut to the whole second."""
    period = {"id": new_id(), "started_at": at.replace(microsecond=0)} | {
        field.name: getattr(subject, field.name) for field in fields(subject)
    }
    await _PERIOD.all(tx, **filled(period))


_PERIOD: Final = Direct(
    insert(UsagePeriod).values(
        placeholders("id addon_id app_id payer_id plan_id price_cents currency service plan terms mode started_at")
    )
)


async def change_mode(tx: Tx, addon_id: UUID, mode: Mode, at: datetime) -> None:
    """Let what is used go on upon other terms from `at`: the open period is cut there, if it is not on these already."""
    cut = at.replace(microsecond=0)
    now = select(UsagePeriod).where(UsagePeriod.addon_id == addon_id, UsagePeriod.ended_at.is_(None))
    row = (await tx.execute(now.where(UsagePeriod.mode != mode).with_for_update())).one_or_none()
    if row is None:
        return
    begins = max(cut, row.started_at)  # a clock that was set back moves nothing back
    await end_period(tx, addon_id, begins)
    await tx.execute(insert(UsagePeriod).values(row._asdict() | {"id": new_id(), "mode": mode, "started_at": begins}))


async def end_period(tx: Tx, addon_id: UUID, at: datetime) -> None:
    """End the open period, if there is one, at `at`; one of no length is dropped."""
    end = at.replace(microsecond=0)
    open_now = (UsagePeriod.addon_id == addon_id, UsagePeriod.ended_at.is_(None))
    await tx.execute(delete(UsagePeriod).where(*open_now, UsagePeriod.started_at >= end))
    await tx.execute(update(UsagePeriod).where(*open_now).values(ended_at=end))


async def open_subjects(tx: Tx, addon_ids: Collection[UUID]) -> list[Subject]:
    """What of these add-ons is used now, by whom it is paid, and at which price."""
    columns = [getattr(UsagePeriod, field.name) for field in fields(Subject)]
    now = select(*columns).where(UsagePeriod.addon_id.in_(addon_ids), UsagePeriod.ended_at.is_(None))
    rows = (row._asdict() for row in await tx.execute(now.order_by(UsagePeriod.addon_id)))
    return [Subject(**row | {"mode": Mode(row["mode"])}) for row in rows]


async def hand_over(tx: Tx, addon_ids: Collection[UUID], at: datetime, **changes: Any) -> None:
    """Let what these add-ons use go on from `at` on another account or app (the columns of `changes`), at the same price."""
    cut = at.replace(microsecond=0)
    now = select(UsagePeriod.__table__).where(UsagePeriod.addon_id.in_(addon_ids), UsagePeriod.ended_at.is_(None))
    for row in (await tx.execute(now.order_by(UsagePeriod.addon_id).with_for_update())).all():
        if all(getattr(row, column) == value for column, value in changes.items()):
            continue
        begins = max(cut, row.started_at)  # a clock that was set back moves nothing back
        await end_period(tx, row.addon_id, begins)
        await tx.execute(insert(UsagePeriod).values(row._asdict() | changes | {"id": new_id(), "started_at": begins}))
