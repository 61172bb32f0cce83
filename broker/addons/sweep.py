"""The watchdog: operations that are due and that no job seems to drive get a job again. Doing so too often is harmless."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import and_, or_, select, update

from broker.addons.models import Operation, OperationState
from broker.addons.work import ADVANCE
from broker.kernel.context import Context
from broker.kernel.jobs import defer

_PATIENCE: Final = timedelta(seconds=5)
_AT_ONCE: Final = 500


async def sweep(ctx: Context) -> int:
    """Defer a job for each operation whose time has come: retries whose job was lost, claims of dead workers, providers
    that never called back. The number of them."""
    now = ctx.clock.now()
    forgotten = or_(
        and_(Operation.state == OperationState.PENDING, Operation.next_at < now - _PATIENCE),
        and_(Operation.state == OperationState.RUNNING, Operation.lease_until < now),
        and_(Operation.state == OperationState.WAITING, Operation.deadline_at < now),
    )
    async with ctx.database.transaction() as tx:
        found = select(Operation.id).where(Operation.finished_at.is_(None), forgotten).limit(_AT_ONCE)
        ids = list((await tx.execute(found.with_for_update(skip_locked=True))).scalars())
        patient = update(Operation).where(Operation.id.in_(ids), Operation.state == OperationState.PENDING)
        await tx.execute(patient.values(next_at=now))
        for operation_id in ids:
            await defer(tx, ADVANCE, {"operation_id": str(operation_id)})
    return len(ids)
