"""Operations of all add-ons, as operators look at them: what is under way, what does not get on. Reading alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from broker.addons.models import Addon, Operation, OperationState
from broker.apps.models import App
from broker.catalog.models import AddonService
from broker.kernel.context import Actor, Context
from broker.kernel.errors import InvalidParams

PAGE: Final = 50
LATE: Final = timedelta(minutes=5)
"""What was due for so long and was not done: no worker gets round to it."""
OFTEN: Final = 3
"""After so many attempts it is worth somebody's look, though the broker goes on by itself."""
UNFINISHED: Final = "unfinished"
STUCK: Final = "stuck"
STATES: Final = (UNFINISHED, STUCK, *OperationState)
"""What may be asked for: these two, or one state."""


@dataclass(frozen=True, slots=True)
class EveryOperation:
    """An operation of anybody's add-on."""

    id: UUID
    kind: str
    state: str
    addon: str
    app: str
    service: str
    attempts: int
    next_at: datetime | None
    lease_until: datetime | None
    deadline_at: datetime
    reason: str | None
    actor_email: str
    created_at: datetime
    finished_at: datetime | None
    is_stuck: bool
    """Whether it was due and nobody did it, or was tried often."""


def is_unfinished() -> ColumnElement[bool]:
    """Whether it goes on."""
    return Operation.finished_at.is_(None)


def is_stuck(now: datetime) -> ColumnElement[bool]:
    """Whether it does not get on."""
    late = now - LATE
    overdue = or_(
        and_(Operation.state == OperationState.PENDING, Operation.next_at <= late),
        and_(Operation.state == OperationState.RUNNING, Operation.lease_until <= late),
        Operation.deadline_at <= late,
    )
    return and_(is_unfinished(), or_(overdue, Operation.attempts >= OFTEN))


async def every_operation(
    ctx: Context, actor: Actor, state: str = UNFINISHED, service: str = "", page: int = 1
) -> tuple[list[EveryOperation], bool]:
    """A page of them, and whether there is a further one. What goes on: the oldest first; what is over: the newest.

    Raises: NotFound for everybody but operators; InvalidParams for a state that there is not.
    """
    actor.require_operator()
    if state not in STATES:
        raise InvalidParams(f"state: must be one of {', '.join(STATES)}.")
    now = ctx.clock.now()
    wanted = _operations(now).where(_in_state(state, now)).limit(PAGE + 1).offset((max(page, 1) - 1) * PAGE)
    if service:
        wanted = wanted.where(AddonService.slug == service)
    over = state in (OperationState.SUCCEEDED, OperationState.FAILED)
    wanted = wanted.order_by(Operation.id.desc() if over else Operation.id)
    async with ctx.database.transaction() as tx:
        rows = [EveryOperation(*row) for row in await tx.execute(wanted)]
    return rows[:PAGE], len(rows) > PAGE


def _in_state(state: str, now: datetime) -> ColumnElement[bool]:
    if state == STUCK:
        return is_stuck(now)
    return is_unfinished() if state == UNFINISHED else Operation.state == state


def _operations(now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Operation.id, Operation.kind, Operation.state, Addon.name, App.name, AddonService.slug, Operation.attempts,
            Operation.next_at, Operation.lease_until, Operation.deadline_at, Operation.reason, Operation.actor_email,
            Operation.created_at, Operation.finished_at, is_stuck(now),
        )
        .join(Addon, Addon.id == Operation.addon_id)
        .join(App, App.id == Addon.app_id)
        .join(AddonService, AddonService.id == Addon.service_id)
    )  # fmt: skip
