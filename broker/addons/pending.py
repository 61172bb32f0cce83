"""What is pending: every unfinished operation of an account, why it is not finished, and when it is tried next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.addons.models import Addon, Operation
from broker.addons.visibility import visible_addon
from broker.apps.models import App
from broker.kernel.context import Actor, Context, Scope


@dataclass(frozen=True, slots=True)
class PendingView:
    """One unfinished operation."""

    id: UUID
    addon_id: UUID
    addon_name: str
    app_name: str
    kind: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    deadline_at: datetime
    reason: str | None
    created_at: datetime
    updated_at: datetime


async def list_pending(ctx: Context, actor: Actor) -> list[PendingView]:
    """The unfinished operations of all add-ons that the actor may see, oldest first."""
    actor.require(Scope.READ)
    statement = (
        select(
            Operation.id,
            Operation.addon_id,
            Addon.name,
            App.name,
            Operation.kind,
            Operation.state,
            Operation.attempts,
            Operation.next_at,
            Operation.deadline_at,
            Operation.reason,
            Operation.created_at,
            Operation.updated_at,
        )
        .join(Addon, Addon.id == Operation.addon_id)
        .join(App, App.id == Addon.app_id)
        .where(Operation.finished_at.is_(None), visible_addon(actor))
        .order_by(Operation.created_at, Operation.id)
    )
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(statement)).all()
    return [PendingView(**dict(zip(PendingView.__slots__, row, strict=True))) for row in rows]
