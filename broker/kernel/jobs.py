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


async def defer(tx: Tx, task: str, args: dict[str, Any], at: datetime | None = None) -> None:
    """Add a job that runs once this transaction has committed, at `at` or at once.

    Transactions: part of the caller's; a rollback defers nothing.
    """
    await tx.execute(_DEFER, {"queue": QUEUE, "task": task, "args": json.dumps(args), "at": at})
