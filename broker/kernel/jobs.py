"""Deferring jobs inside the caller's transaction. The worker that runs them is `broker/worker.py`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from broker.kernel.db import Tx

QUEUE: Final = "broker"

_DEFER: Final = text(
    "select procrastinate_defer_jobs_v1(array[row(:queue, :task, 0, null, null, cast(:args as jsonb),"
    " cast(:at as timestamptz))]::procrastinate_job_to_defer_v1[])"
)


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
    await tx.execute(_DEFER, {"queue": QUEUE, "task": task, "args": json.dumps(args), "at": at})
