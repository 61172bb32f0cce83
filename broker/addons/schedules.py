"""Plan changes at the end of the month: remembering one per add-on, and letting it go. Carried out by `scheduled_changes.py`.

Never commits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from broker.addons.term_models import ScheduledChange
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Actor
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The plan that an add-on is to have, and from when on."""

    addon_id: UUID
    plan_id: UUID
    plan: str
    effective_at: datetime
    actor_email: str


async def put_scheduled(
    tx: Tx, addon_id: UUID, plan_id: UUID, effective_at: datetime, actor: Actor, now: datetime
) -> None:
    """Remember a change; one that was remembered before is forgotten."""
    values = {
        "plan_id": plan_id,
        "effective_at": effective_at,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "authorization_id": actor.authorization_id,
        "created_at": now,
    }
    put = insert(ScheduledChange).values(addon_id=addon_id, **values)
    await tx.execute(put.on_conflict_do_update(index_elements=["addon_id"], set_=values))


async def cancel_scheduled(tx: Tx, addon_id: UUID) -> bool:
    """Forget the change of an add-on; whether there was one."""
    gone = delete(ScheduledChange).where(ScheduledChange.addon_id == addon_id).returning(ScheduledChange.addon_id)
    return (await tx.execute(gone)).scalar() is not None


async def scheduled_of(tx: Tx, addon_ids: Collection[UUID]) -> dict[UUID, Scheduled]:
    """The changes that are remembered of these add-ons."""
    columns = (
        ScheduledChange.addon_id, ScheduledChange.plan_id, (AddonService.slug + ":" + Plan.slug).label("plan"),
        ScheduledChange.effective_at, ScheduledChange.actor_email,
    )  # fmt: skip
    joined = select(*columns).join(Plan, Plan.id == ScheduledChange.plan_id)
    joined = joined.join(AddonService, AddonService.id == Plan.service_id)
    rows = await tx.execute(joined.where(ScheduledChange.addon_id.in_(addon_ids)))
    return {row.addon_id: Scheduled(**row._asdict()) for row in rows}
