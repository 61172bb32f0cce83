"""Deferring jobs inside the caller's transaction. The worker that runs them is `broker/worker.py`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Text, bindparam, select, text

from broker.kernel.db import Tx
from broker.kernel.direct import Direct

QUEUE: Final = "broker"

DEFERRED: Final = text(
    "procrastinate_defer_jobs_v1(array[row(:job_queue, :job_task, 0, null, null, cast(:job_args as jsonb),"
    " :job_at)]::procrastinate_job_to_defer_v1[])"
).bindparams(
    bindparam("job_queue", QUEUE, Text),
    bindparam("job_task", type_=Text),
    bindparam("job_args", type_=Text),
    bindparam("job_at", type_=DateTime(timezone=True)),
)
"""What a statement selects to defer a job; `job_values` gives its parameters."""
_DEFER: Final = Direct(select(DEFERRED))


_FORGET: Final = text(
    "delete from procrastinate_jobs job where job.status = 'doing' and not exists ("
    "select from procrastinate_workers worker where worker.id = job.worker_id"
    " and worker.last_heartbeat > now() - interval '1 minute')"
)


async def forget_abandoned(tx: Tx) -> int:
    """Delete the jobs that dead workers had taken; the number of them. What they were to do is revived from its own rows."""
    return (await tx.execute(_FORGET)).rowcount


async def defer(tx: Tx, task: str, args: dict[str, Any], at: datetime | None = None) -> None:
    """Add a job that runs once this transaction has committed, at `at` or at once.

    Transactions: part of the caller's; a rollback defers nothing.
    """
    await _DEFER.all(tx, **job_values(task, args, at))


def job_values(task: str, args: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """The parameters of `DEFERRED`."""
    return {"job_task": task, "job_args": json.dumps(args), "job_at": at}
