"""The job queues as operators look at them: what waits, for how long and for whom, and making a failed job again.

Every job may run twice: what it is to do stands in rows of its own. So making one again is safe whatever it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound
from broker.kernel.jobs import FailedJob, JobKind, WorkerSeen, failed_jobs, job_kinds, make_again, workers_seen


@dataclass(frozen=True, slots=True)
class Queues:
    """Jobs by kind, the newest that failed, and who works."""

    kinds: Sequence[JobKind]
    failed: Sequence[FailedJob]
    workers: Sequence[WorkerSeen]


async def look_at_queues(ctx: Context, actor: Actor) -> Queues:
    """All of it.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return Queues(await job_kinds(tx), await failed_jobs(tx), await workers_seen(tx))


async def retry_job(ctx: Context, actor: Actor, key: str) -> None:
    """Make a failed job again.

    Transactions: one of its own.
    Raises: NotFound for everybody but operators, and for what did not fail or was made again meanwhile.
    """
    actor.require_operator()
    job_id = int(key) if key.isascii() and key.isdigit() and len(key) < 19 else 0
    async with ctx.database.transaction() as tx:
        task = await make_again(tx, job_id)
        if task is None:
            raise NotFound("job", "There is no such job that failed; it may have been made again meanwhile.")
        await emit(tx, "job.retried", actor, ctx.clock.now(), task=task, job=job_id)
