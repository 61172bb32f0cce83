"""Rows that record an intent: operations, and what becomes of the one that stood before. Never commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.models import UNFINISHED, Operation, OperationKind, OperationState
from broker.addons.ports import Answer
from broker.addons.work import ADVANCE, history_entry
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.jobs import defer
from broker.kernel.signals import notify

DEADLINES: Final[dict[OperationKind, timedelta]] = {
    OperationKind.PROVISION: timedelta(hours=1),
    OperationKind.PLAN_CHANGE: timedelta(hours=1),
    OperationKind.PLAN_RESTORE: timedelta(hours=24),
    OperationKind.DEPROVISION: timedelta(hours=24),
    OperationKind.REFRESH: timedelta(hours=1),
    OperationKind.ROTATE: timedelta(hours=1),
}
"""How long an operation is tried before it fails. A provider that answers 202 gets its own deadline."""

CALL_BOUND: Final = timedelta(seconds=30)
"""After this, no call that was under way when the intent was recorded can still reach a provider."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The operation that stood before: whether a call of it may be under way, and whether it may have made a resource."""

    under_way: bool = False
    may_exist: bool = False


async def start_operation(
    tx: Tx,
    operation_id: UUID,
    addon_id: UUID,
    kind: OperationKind,
    actor: Actor,
    now: datetime,
    *,
    at: datetime | None = None,
    may_exist: bool = False,
    plan_id: UUID | None = None,
    options_sealed: bytes | None = None,
) -> None:
    """Insert the operation and the job that will advance it, at `at` or at once."""
    values = new_operation(operation_id, addon_id, kind, actor, now) | {
        "next_at": at or now,
        "may_exist": may_exist,
        "plan_id": plan_id,
        "options_sealed": options_sealed,
    }
    await tx.execute(insert(Operation).values(values))
    await defer(tx, ADVANCE, {"operation_id": str(operation_id)}, at=at)


def new_operation(
    operation_id: UUID, addon_id: UUID, kind: OperationKind, actor: Actor, now: datetime
) -> dict[str, Any]:
    """The row of an operation that is due at once."""
    return {
        "id": operation_id,
        "addon_id": addon_id,
        "kind": kind,
        "state": OperationState.PENDING,
        "step": "call",
        "attempts": 0,
        "fencing": 0,
        "next_at": now,
        "deadline_at": now + DEADLINES[kind],
        "may_exist": False,
        "plan_id": None,
        "options_sealed": None,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "authorization_id": actor.authorization_id,
        "history": history_entry(now, "intent", "recorded"),
        "created_at": now,
        "updated_at": now,
    }


async def supersede(tx: Tx, addon_id: UUID, reason: str, now: datetime) -> Overtaken:
    """End the unfinished operation of an add-on, if there is one, as overtaken."""
    statement = (
        select(Operation.id, Operation.state, Operation.kind, Operation.may_exist)
        .where(Operation.addon_id == addon_id, Operation.state.in_(UNFINISHED))
        .with_for_update()
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return Overtaken()
    entry: list[Any] = history_entry(now, "superseded", "failed", note=reason)
    await tx.execute(
        update(Operation)
        .where(Operation.id == row.id)
        .values(
            state=OperationState.FAILED,
            fencing=Operation.fencing + 1,
            reason=reason,
            error_id="conflict",
            next_at=None,
            lease_until=None,
            finished_at=now,
            updated_at=now,
            options_sealed=None,
            history=Operation.history.op("||")(literal(entry, JSONB)),
        )
    )
    await notify(tx, row.id)
    called = row.state in (OperationState.RUNNING, OperationState.WAITING)
    made = row.kind == OperationKind.PROVISION and (row.may_exist or called)
    return Overtaken(row.state == OperationState.RUNNING, made)


async def start_deprovision(tx: Tx, operation_id: UUID, addon_id: UUID, actor: Actor, now: datetime) -> None:
    """Overtake whatever is under way and begin to deprovision: at once, or when no older call can arrive after it."""
    before = await supersede(tx, addon_id, "The add-on was destroyed meanwhile.", now)
    at = now + CALL_BOUND if before.under_way else await quiet_from(tx, addon_id, now)
    await start_operation(
        tx, operation_id, addon_id, OperationKind.DEPROVISION, actor, now, at=at, may_exist=before.may_exist
    )


async def overtake_restore(tx: Tx, addon_id: UUID, now: datetime) -> bool:
    """End a restore of the plan that waits for its next try, because another plan is wanted; whether there was one."""
    waiting = exists().where(
        Operation.addon_id == addon_id,
        Operation.kind == OperationKind.PLAN_RESTORE,
        Operation.state == OperationState.PENDING,
    )
    if not (await tx.execute(select(waiting))).scalar_one():
        return False
    await supersede(tx, addon_id, "Another plan was chosen meanwhile.", now)
    return True


_MAY_STILL_HAPPEN: Final = frozenset({Answer.LOST, Answer.TIMEOUT_STATUS, Answer.SERVER_ERROR})
"""Answers, or none, that a provider (or what stands before it) gives while it may still be at work."""


async def quiet_from(tx: Tx, addon_id: UUID, now: datetime) -> datetime | None:
    """When no earlier call can make a resource any more, if that is still to come: a removal before it could be overtaken."""
    made = (OperationKind.PROVISION, OperationKind.PLAN_CHANGE, OperationKind.PLAN_RESTORE)
    lately = Operation.updated_at > now - CALL_BOUND
    recent = select(Operation.history).where(Operation.addon_id == addon_id, Operation.kind.in_(made), lately)
    histories = (await tx.execute(recent)).scalars().all()
    quiet = max((at + CALL_BOUND for history in histories for at in _unanswered(history)), default=now)
    return quiet if quiet > now else None


def _unanswered(history: Sequence[dict[str, Any]]) -> Iterator[datetime]:
    """The times of calls that never were answered for good."""
    under_way: datetime | None = None
    for entry in history:
        if entry["step"] == "call":
            if under_way is not None:
                yield under_way
            under_way = datetime.fromisoformat(entry["at"])
        elif entry["step"] == "settle" and under_way is not None:
            if entry["outcome"] in _MAY_STILL_HAPPEN:
                yield under_way
            under_way = None
    if under_way is not None:
        yield under_way
