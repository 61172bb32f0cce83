"""Running one operation: claim it, call the provider with no transaction open, hand the reply to `settle`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from broker.addons.gate import USUAL, Limits, next_in_queue, note_reply
from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, Provisioner, RefreshCall, Reply, RotateCall
from broker.addons.settle import settle
from broker.addons.work import ADVANCE, LEASE, Call, Work, claim, heartbeat
from broker.kernel.context import Context
from broker.kernel.db import again_on_deadlock
from broker.kernel.errors import BrokerError, Overloaded
from broker.kernel.jobs import defer

ProvisionerFor = Callable[[Call], Provisioner]
_SETTLE_AGAIN_AFTER_S: Final = (0.5, 2.0, 6.0)
_log = structlog.get_logger()


async def advance(
    ctx: Context,
    provisioner_for: ProvisionerFor,
    operation_id: UUID,
    limits: Limits = USUAL,
    lease: timedelta = LEASE,
) -> None:
    """Bring the operation one step further, if it is due. Running it twice, or at the same time, does no harm."""
    work = await again_on_deadlock(lambda: claim(ctx, operation_id, limits, lease))
    if work is None:
        _log.debug("operation.not_due", operation=str(operation_id))
        return
    async with _held(ctx, work, lease):
        reply = work.reply or await _ask(provisioner_for, work.call)
        settled = await _settle(ctx, work, reply)
    await make_place(ctx, work.service_id, reply if work.call is not None else None, limits)
    _log.info(
        "operation.advanced",
        operation=str(operation_id),
        addon=str(work.addon_id),
        kind=work.kind.value,
        attempt=work.attempts,
        answer=reply.answer.value,
        status=reply.status,
        settled=settled,
    )


async def make_place(ctx: Context, service_id: UUID, reply: Reply | None, limits: Limits) -> None:
    """Tell the service's health what a call taught us, if there was one, and let the next in its queue go on."""
    is_back = reply is not None and await note_reply(ctx, service_id, reply, limits)
    async with ctx.database.transaction() as tx:
        for waiting in await next_in_queue(tx, service_id, ctx.clock.now(), limits.concurrency if is_back else 1):
            await defer(tx, ADVANCE, {"operation_id": str(waiting)})


async def _ask(provisioner_for: ProvisionerFor, call: Call | None) -> Reply:
    if call is None:
        return Reply(Answer.DEADLINE)
    provisioner = provisioner_for(call)
    if isinstance(call, DeprovisionCall):
        return await provisioner.deprovision(call)
    if isinstance(call, PlanChangeCall):
        return await provisioner.change_plan(call)
    if isinstance(call, RotateCall):
        return await provisioner.rotate(call)
    if isinstance(call, RefreshCall):
        return await provisioner.refresh(call)
    return await provisioner.provision(call)


async def _settle(ctx: Context, work: Work, reply: Reply) -> bool:
    """Settle, again while the database can't be reached: a provider that is not idempotent must not be asked again."""
    for pause in _SETTLE_AGAIN_AFTER_S:
        try:
            return await settle(ctx, work, reply)
        except (Overloaded, OSError, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not error.connection_invalidated:
                raise
            _log.warning("operation.settle_again", operation=str(work.operation_id), error=type(error).__name__)
            await asyncio.sleep(pause)
    return await settle(ctx, work, reply)


@asynccontextmanager
async def _held(ctx: Context, work: Work, lease: timedelta) -> AsyncIterator[None]:
    """Keep the claim alive while the call lasts."""
    beating = asyncio.create_task(_beat(ctx, work, lease))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(ctx: Context, work: Work, lease: timedelta) -> None:
    """A beat that does not reach the database is missed, no more: the call goes on, and its answer must not be lost."""
    while True:
        await asyncio.sleep(lease.total_seconds() / 3)
        try:
            if not await heartbeat(ctx, work, lease):
                return
        except (SQLAlchemyError, OSError, BrokerError) as error:
            _log.warning("operation.beat_missed", operation=str(work.operation_id), error=type(error).__name__)
