"""Deferring jobs inside the caller's transaction. The worker that runs them is `broker/worker.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Integer, Text, TextClause, bindparam, select, text

from broker.kernel.db import Tx
from broker.kernel.direct import Direct

QUEUE: Final = "broker"
WEBHOOKS: Final = "webhooks"
"""A queue of its own, with places of its own: receivers that are slow must not keep providers waiting."""

BEHIND: Final = -10
"""The priority of a job that others go before."""


def deferred(priority: str = ":job_priority") -> TextClause:
    """What a statement selects to defer a job, with an SQL expression for its priority; `job_values` gives the rest."""
    return text(
        f"procrastinate_defer_jobs_v1(array[row(:job_queue, :job_task, {priority}, null, null,"
        " cast(:job_args as jsonb), :job_at)]::procrastinate_job_to_defer_v1[])"
    ).bindparams(
        bindparam("job_queue", QUEUE, Text),
        bindparam("job_task", type_=Text),
        bindparam("job_args", type_=Text),
        bindparam("job_at", type_=DateTime(timezone=True)),
    )


_DEFER: Final = Direct(select(deferred().bindparams(bindparam("job_priority", type_=Integer))))


_DEMOTE: Final = text(
    "update procrastinate_jobs set priority = :behind where status = 'todo' and priority > :behind"
    " and args->>cast(:argument as text) = any(:values)"
)
_FORGET: Final = text(
    "delete from procrastinate_jobs job where job.status = 'doing' and not exists ("
    "select from procrastinate_workers worker where worker.id = job.worker_id"
    " and worker.last_heartbeat > now() - interval '1 minute')"
)


_LENGTHS: Final = text(
    "select queue_name, count(*) filter (where status = 'todo' and coalesce(scheduled_at, now()) <= now()),"
    " count(*) filter (where status = 'todo' and scheduled_at > now()), count(*) filter (where status = 'doing'),"
    " count(*) filter (where status = 'failed') from procrastinate_jobs group by queue_name order by queue_name"
)


@dataclass(frozen=True, slots=True)
class QueueLength:
    """How many jobs of a queue there are."""

    queue: str
    due: int
    later: int
    doing: int
    failed: int


async def queue_lengths(tx: Tx) -> list[QueueLength]:
    """The queues that have jobs; by the machine's clock, as jobs are."""
    return [QueueLength(*row) for row in await tx.execute(_LENGTHS)]


async def forget_abandoned(tx: Tx) -> int:
    """Delete the jobs that dead workers had taken; the number of them. What they were to do is revived from its own rows."""
    return (await tx.execute(_FORGET)).rowcount


async def defer(
    tx: Tx, task: str, args: dict[str, Any], at: datetime | None = None, priority: int = 0, queue: str = QUEUE
) -> None:
    """Add a job that runs once this transaction has committed, at `at` or at once; those of higher priority first.

    Transactions: part of the caller's; a rollback defers nothing.
    """
    await _DEFER.all(tx, **job_values(task, args, at), job_priority=priority, job_queue=queue)


async def demote(tx: Tx, argument: str, values: list[str]) -> None:
    """Let others go before the waiting jobs whose argument has one of these values."""
    await tx.execute(_DEMOTE, {"behind": BEHIND, "argument": argument, "values": values})


def job_values(task: str, args: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """The parameters of `deferred`, but for those of its priority."""
    return {"job_task": task, "job_args": json.dumps(args), "job_at": at}
