"""Having a call sent to a provider again: what may be, by the rules that operations are repeated with, and why not otherwise.

Nothing here makes a resource: a provision that was given up stays given up. The calling is the worker's, as always.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from broker.addons.intents import quiet_from, start_operation
from broker.addons.locks import lock_addon
from broker.addons.models import (
    Addon,
    AddonState,
    Operation,
    OperationKind,
    OperationState,
    Orphan,
    OrphanState,
    Ownership,
)
from broker.addons.orphans import bring_forward
from broker.addons.settle import with_locks
from broker.addons.work import ADVANCE, history_entry
from broker.catalog.members import Role, member_service
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer


class Replay(StrEnum):
    """What is sent."""

    NOW = "now"
    """The operation's own call, at once instead of at its time; it counts as one of its attempts."""
    AGAIN = "again"
    """A call that changes nothing at a provider which had it before, in an operation of its own."""
    REMOVAL = "removal"
    """The call that removes what may be left: the orphan's."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the decision rests on: an operation, its add-on, and what was done about it since."""

    kind: OperationKind
    state: OperationState
    attempts: int
    next_at: datetime | None
    addon_state: AddonState
    ownership: Ownership
    is_newest: bool
    """Whether nothing was begun for the add-on since."""
    orphan_state: OrphanState | None
    orphan_busy_until: datetime | None


_QUIET_FIRST: Final = frozenset({OperationKind.DEPROVISION, OperationKind.PLAN_RESTORE})
"""Their first call waits until no earlier one can arrive after it, and is not to be hurried."""
_REPEATABLE: Final = frozenset({OperationKind.PLAN_RESTORE, OperationKind.REFRESH})
"""Whatever came of them: asking once more brings a provider to where the bill is, or reads what holds."""
_MAKES: Final = frozenset({OperationKind.PROVISION, OperationKind.DEPROVISION})
"""After these something may be left."""

_FAILED: Final[Mapping[OperationKind, str]] = {
    OperationKind.PROVISION: "It was given up, and its user was told: a second call could make a second resource. Whoever"
    " wants it installs it again.",
    OperationKind.PLAN_CHANGE: "Its user was told that the plan stays. Whoever wants another one changes it again.",
    OperationKind.PLAN_RESTORE: "The add-on has moved on since: there is nothing to bring back.",
    OperationKind.DEPROVISION: "There is nothing left to remove.",
    OperationKind.REFRESH: "The add-on has moved on since: its config was asked for again, or it is gone.",
    OperationKind.ROTATE: "Its user was told that the credentials are as before, and may ask for new ones again.",
}
_LEFT: Final[Mapping[OrphanState, str]] = {
    OrphanState.DELETED: "What was left is removed by now.",
    OrphanState.RESOLVED: "The operators have dealt with what was left; they can tell how.",
}


def decide_replay(found: Standing, now: datetime) -> Replay | str:
    """What may be sent for an operation, or the sentence that says why nothing is. Pure."""
    match found.state:
        case OperationState.PENDING:
            return _of_pending(found, now)
        case OperationState.RUNNING:
            return "A call is under way. See in a moment what came of it."
        case OperationState.WAITING:
            return "It was accepted, and waits for the provider's word that it is done: send that."
        case OperationState.SUCCEEDED:
            return "It succeeded: there is nothing left to be sent."
        case OperationState.FAILED:
            return _of_failed(found, now)


def _of_pending(found: Standing, now: datetime) -> Replay | str:
    if found.next_at is None or found.next_at <= now:
        return "It is due: a worker sends it in a moment."
    if found.kind in _QUIET_FIRST and not found.attempts:
        return "It waits until no earlier call can arrive after it, and is sent by itself then."
    return Replay.NOW


def _of_failed(found: Standing, now: datetime) -> Replay | str:
    if found.kind in _MAKES and found.orphan_state is OrphanState.OPEN:
        return _of_orphan(found, now)
    if found.kind in _MAKES and found.orphan_state is not None:
        return _LEFT[found.orphan_state]
    if found.kind in _REPEATABLE and found.is_newest and found.addon_state is AddonState.PROVISIONED:
        return Replay.AGAIN
    return _FAILED[found.kind]


def _of_orphan(found: Standing, now: datetime) -> Replay | str:
    if found.ownership is not Ownership.CREATED:
        return "It was imported, and is never removed from here. Its operators close it."
    if found.addon_state is not AddonState.DEPROVISIONED:
        return "The add-on is in use."
    if found.orphan_busy_until is not None and found.orphan_busy_until > now:
        return "A call to remove it is under way. See in a moment what came of it."
    return Replay.REMOVAL


async def replay_operation(ctx: Context, actor: Actor, slug: str, key: str) -> Replay:
    """Have the call of an operation sent again, for owners and admins of the service; what it was that is sent.

    Transactions: one of its own, which calls nobody.
    Raises: NotFound, Forbidden; Conflict, saying why it is not sent.
    """
    return await with_locks(ctx, lambda tx: _replay(tx, ctx, actor, slug, key))


async def _replay(tx: Tx, ctx: Context, actor: Actor, slug: str, key: str) -> Replay:
    service = await member_service(tx, actor, slug, Role.ADMIN)
    operation_id, addon_id = await _found(tx, service.id, key)
    await lock_addon(tx, ctx, addon_id)
    now, found = ctx.clock.now(), await _locked(tx, operation_id)
    what = decide_replay(found, now)
    if not isinstance(what, Replay):
        raise Conflict(what)
    await _SEND[what](tx, operation_id, addon_id, found.kind, now)
    await emit(
        tx, "operation.replayed", actor, now, addon_id=addon_id,
        operation=str(operation_id), operation_kind=found.kind, sent=what, service=slug,
    )  # fmt: skip
    return what


async def _found(tx: Tx, service_id: UUID, key: str) -> tuple[UUID, UUID]:
    """The operation and its add-on.

    Raises: NotFound for those of other services as well.
    """
    wanted = select(Operation.id, Operation.addon_id).join(Addon, Addon.id == Operation.addon_id)
    wanted = wanted.where(Operation.id == as_uuid(key), Addon.service_id == service_id)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("operation")
    return row.id, row.addon_id


async def _locked(tx: Tx, operation_id: UUID) -> Standing:
    """How it stands, and goes on standing until the transaction ends."""
    await tx.execute(select(Operation.id).where(Operation.id == operation_id).with_for_update())
    return (await standings(tx, [operation_id]))[operation_id]


async def standings(tx: Tx, operation_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """What the decision about each of these operations rests on."""
    later = aliased(Operation)
    is_newest = ~exists().where(later.addon_id == Operation.addon_id, later.id > Operation.id)  # ids grow with time
    wanted = (
        select(
            Operation.id, Operation.kind, Operation.state, Operation.attempts, Operation.next_at,
            Addon.state.label("addon_state"), Addon.ownership, is_newest.label("is_newest"),
            Orphan.state.label("orphan_state"), Orphan.lease_until,
        )
        .join(Addon, Addon.id == Operation.addon_id)
        .outerjoin(Orphan, Orphan.addon_id == Addon.id)
        .where(Operation.id.in_(operation_ids))
    )  # fmt: skip
    return {row.id: _standing(row) for row in await tx.execute(wanted)}


def _standing(row: Any) -> Standing:
    return Standing(
        kind=OperationKind(row.kind),
        state=OperationState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        addon_state=AddonState(row.addon_state),
        ownership=Ownership(row.ownership),
        is_newest=row.is_newest,
        orphan_state=None if row.orphan_state is None else OrphanState(row.orphan_state),
        orphan_busy_until=row.lease_until,
    )


async def _now(tx: Tx, operation_id: UUID, _addon_id: UUID, _kind: OperationKind, now: datetime) -> None:
    entry = history_entry(now, "replay", "asked for")
    due = update(Operation).where(Operation.id == operation_id, Operation.state == OperationState.PENDING)
    noted = Operation.history.op("||")(literal(entry, JSONB))
    await tx.execute(due.values(next_at=now, updated_at=now, history=noted))
    await defer(tx, ADVANCE, {"operation_id": str(operation_id)})


async def _again(tx: Tx, _operation_id: UUID, addon_id: UUID, kind: OperationKind, now: datetime) -> None:
    """To the plan that is billed now, which need not be the one of then."""
    due = await quiet_from(tx, addon_id, now)
    plan_id = (await tx.execute(select(Addon.plan_id).where(Addon.id == addon_id))).scalar_one()
    restores = kind is OperationKind.PLAN_RESTORE
    more: dict[str, Any] = {"may_exist": True, "plan_id": plan_id} if restores else {}
    await start_operation(tx, new_id(), addon_id, kind, SYSTEM, now, at=due, **more)


async def _removal(tx: Tx, _operation_id: UUID, addon_id: UUID, _kind: OperationKind, now: datetime) -> None:
    mine = select(Orphan.id, Orphan.attempts).where(Orphan.addon_id == addon_id, Orphan.state == OrphanState.OPEN)
    free = func.coalesce(Orphan.lease_until, now) <= now
    row = (await tx.execute(mine.where(free).with_for_update())).one_or_none()
    if row is None:
        raise Conflict("Somebody was quicker. Load the page again.")
    await bring_forward(tx, row.id, row.attempts, now)


_SEND: Final = {Replay.NOW: _now, Replay.AGAIN: _again, Replay.REMOVAL: _removal}
