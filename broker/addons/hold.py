"""What becomes of an operation that its service has no place for: given up with a sentence, or kept, in order.

A service that answers nobody gets one call to find out, not one from everybody who waits: a single operation is the probe,
the others queue until it has shown that the provider is back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update

from broker.addons.gate import QUEUED, Held
from broker.addons.models import Addon, Operation, OperationKind, OperationState
from broker.addons.ports import Answer, Reply
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record
from broker.kernel.jobs import BEHIND, defer

PATIENCE: Final = timedelta(seconds=15)
"""How long a user's request waits for a provider that answers nobody, before it fails with a sentence."""

FORGOTTEN_AFTER: Final = timedelta(minutes=1)
"""When a queued operation looks for a place by itself, should the end of another call have failed to wake it."""

_SPREAD: Final = timedelta(seconds=10)
"""Those who lose patience together are not all looked at together."""

_PROBES: Final = Direct(
    select(
        exists()
        .where(
            and_(
                Operation.addon_id == Addon.id,
                Addon.service_id == bindparam("service_id", type_=Addon.service_id.type),
                Operation.id != bindparam("operation_id", type_=Operation.id.type),
                Operation.finished_at.is_(None),
                or_(
                    Operation.state == OperationState.RUNNING,
                    and_(
                        Operation.state == OperationState.PENDING,
                        Operation.step != QUEUED,
                        Operation.next_at <= bindparam("until", type_=Operation.created_at.type),
                    ),
                ),
            )
        )
        .label("there")
    )
)


def given_up(row: Record, held: Held, now: datetime) -> Reply | None:
    """Somebody waits for an answer and the provider does not answer anybody: better no than later, if nothing is lost."""
    if held.broken and _impatient(row) and now - row.created_at >= PATIENCE:
        return Reply(Answer.NOT_SENT, note="the circuit is open")
    return None


def _impatient(row: Record) -> bool:
    return row.kind != OperationKind.DEPROVISION and not row.may_exist


async def hold(
    tx: Tx, operation_id: UUID, row: Record, held: Held, now: datetime, *, due: ColumnElement[bool], job: str
) -> None:
    """Leave it pending, if it is still `due`, with the reason in words: until its time, until its user's patience ends, or
    until a call of its service does."""
    until = await _until(tx, operation_id, row, held, now)
    looked_at = until or now + FORGOTTEN_AFTER
    kept = update(Operation).where(Operation.id == operation_id, due)
    await tx.execute(
        kept.values(
            state=OperationState.PENDING,
            step="call" if until and until == held.until else QUEUED,
            may_exist=or_(Operation.may_exist, Operation.state == OperationState.RUNNING),
            reason=held.why,
            updated_at=now,
            next_at=looked_at,
        )
    )
    if until is not None:
        await defer(tx, job, {"operation_id": str(operation_id)}, at=until, priority=BEHIND)


async def _until(tx: Tx, operation_id: UUID, row: Record, held: Held, now: datetime) -> datetime | None:
    if not held.broken:
        return held.until
    probed_by = held.until or now
    rows = await _PROBES.all(tx, service_id=row.service_id, operation_id=operation_id, until=probed_by)
    if held.until is not None and not rows[0].there:
        return held.until
    if not _impatient(row):
        return None
    spread = _SPREAD * (operation_id.int % 1000 / 1000)
    impatient_at: datetime = max(row.created_at + PATIENCE, now) + spread
    return impatient_at
