"""Setting the broker's clock forward, from one thing that is due to the next: each has happened before the time goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import func, select, text, union_all

from broker.addons.models import AddonCredential, Operation, Orphan, Rotation
from broker.addons.term_models import ScheduledChange, Trial
from broker.billing.budget_models import Budget
from broker.chores import keep_books, look_around
from broker.events.models import Webhook
from broker.kernel.ahead import claim_clock, take_step
from broker.kernel.context import Context
from broker.notices.models import Notice
from broker.payments.dunning_models import Dunning
from broker.payments.models import Payment, Refund
from broker.wiring import Wiring

LONGEST: Final = timedelta(hours=6)
"""A step at most: some things become due without a row that says when, such as the end of a month."""
_SHORTEST: Final = timedelta(seconds=1)
_UNFINISHED: Final = (Operation.finished_at.is_(None),)
_DUE: Final = (
    (Operation.next_at, _UNFINISHED),
    (Operation.deadline_at, _UNFINISHED),
    (Orphan.next_at, ()),
    (Rotation.next_at, ()),
    (AddonCredential.next_at, ()),
    (Budget.next_look_at, ()),
    (Webhook.due_at, ()),
    (Notice.due_at, ()),
    (Payment.next_at, ()),
    (Refund.next_at, ()),
    (Dunning.next_at, (Dunning.ended_at.is_(None),)),
    (ScheduledChange.effective_at, ()),
    (Trial.ends_at, (Trial.addon_id.is_not(None), Trial.outcome.is_(None))),
)
"""Where it is written when something is to happen."""
PATIENCE_S: Final = 30.0
"""For the work before a step: a provider that does not answer must not stop the time."""
_LEASE: Final = timedelta(seconds=4 * PATIENCE_S)
_LOOK_S: Final = 0.02
_BUSY: Final = text(
    "select exists (select from procrastinate_jobs where status = 'doing'"
    " or (status = 'todo' and (scheduled_at is null or scheduled_at <= now())))"
)
_log = structlog.get_logger()


async def step_forward(wiring: Wiring) -> bool:
    """Finish what has begun, then one step; whether there was one to be taken. False also if another worker takes it.

    So nothing that is under way is overtaken, neither by the first step nor by what somebody does between two others; and after
    the last step, the clock counts as being on its way until all that it brought is done.
    """
    ctx = wiring.context
    if not await claim_clock(ctx, _LEASE):
        return False
    try:
        await asyncio.wait_for(_work_off(wiring), PATIENCE_S)
    except TimeoutError:
        _log.warning("clock.work_unfinished", at=ctx.clock.now().isoformat())
    return await take_step(ctx, await until_next_due(ctx))


async def until_next_due(ctx: Context, longest: timedelta = LONGEST) -> timedelta:
    """How long it is to the next thing that is due, within bounds."""
    now = ctx.clock.now()
    times = union_all(*(select(func.min(at).label("at")).where(at > now, *more) for at, more in _DUE)).subquery()
    async with ctx.database.transaction() as tx:
        due = (await tx.execute(select(func.min(times.c.at)))).scalar()
    return longest if due is None else min(max(due - now, _SHORTEST), longest)


async def _work_off(wiring: Wiring) -> None:
    """Round after round, until one brings no work."""
    quiet = False
    while not quiet:
        await look_around(wiring)
        more = await keep_books(wiring)
        quiet = not more and not await _is_busy(wiring.context)
        while await _is_busy(wiring.context):  # noqa: ASYNC110 - the queue tells nobody when a job has ended
            await asyncio.sleep(_LOOK_S)


async def _is_busy(ctx: Context) -> bool:
    """Whether jobs are under way or could begin."""
    async with ctx.database.transaction() as tx:
        return bool((await tx.execute(_BUSY)).scalar())
