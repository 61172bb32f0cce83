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


_KINDS: Final = text(
    "select queue_name, task_name, count(*) filter (where is_due), count(*) filter (where status = 'todo' and not is_due),"
    " count(*) filter (where status = 'doing'), count(*) filter (where status = 'failed'), min(since) filter (where is_due)"
    " from (select job.queue_name, job.task_name, job.status,"
    " job.status = 'todo' and coalesce(job.scheduled_at, now()) <= now() as is_due,"
    " coalesce(job.scheduled_at, (select min(event.at) from procrastinate_events event where event.job_id = job.id)) as since"
    " from procrastinate_jobs job) as jobs group by queue_name, task_name order by queue_name, task_name"
)
_FAILED_JOBS: Final = text(
    "select job.id, job.queue_name, job.task_name, job.args::text, job.attempts,"
    " (select max(event.at) from procrastinate_events event where event.job_id = job.id)"
    " from procrastinate_jobs job where job.status = 'failed' order by job.id desc limit :most"
)
_TAKE_FAILED: Final = text(
    "delete from procrastinate_jobs where id = :job_id and status = 'failed'"
    " returning queue_name, task_name, args::text, priority"
)
_WORKERS: Final = text("select id, last_heartbeat from procrastinate_workers order by id")


@dataclass(frozen=True, slots=True)
class JobKind:
    """How many jobs of a kind there are, and since when the oldest of those waits that are due."""

    queue: str
    task: str
    due: int
    later: int
    doing: int
    failed: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed. Its arguments are ids of rows, as JSON."""

    id: int
    queue: str
    task: str
    arguments: str
    attempts: int
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """Somebody who works on a queue, and when it last gave a sign of life, by the database's clock."""

    id: int
    seen_at: datetime


async def job_kinds(tx: Tx) -> list[JobKind]:
    """The jobs that there are, by queue and kind; by the machine's clock, as jobs are."""
    return [JobKind(*row) for row in await tx.execute(_KINDS)]


async def failed_jobs(tx: Tx, most: int = 50) -> list[FailedJob]:
    """Those that failed, the newest first."""
    return [FailedJob(*row) for row in await tx.execute(_FAILED_JOBS, {"most": most})]


async def workers_seen(tx: Tx) -> list[WorkerSeen]:
    """Everybody who has worked and not said goodbye."""
    return [WorkerSeen(*row) for row in await tx.execute(_WORKERS)]


async def make_again(tx: Tx, job_id: int) -> str | None:
    """Put another job in the place of one that failed, and give its kind; None if there is no such job."""
    row = (await tx.execute(_TAKE_FAILED, {"job_id": job_id})).one_or_none()
    if row is None:
        return None
    await defer(tx, row.task_name, json.loads(row.args), priority=row.priority, queue=row.queue_name)
    return str(row.task_name)


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
