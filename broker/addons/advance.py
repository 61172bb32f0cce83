"""Running one operation: claim it, call the provider with no transaction open, hand the reply to `settle`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, Provisioner, Reply
from broker.addons.settle import settle
from broker.addons.work import LEASE, Call, Work, claim, heartbeat
from broker.kernel.context import Context

ProvisionerFor = Callable[[Call], Provisioner]
_log = structlog.get_logger()


async def advance(ctx: Context, provisioner_for: ProvisionerFor, operation_id: UUID) -> None:
    """Bring the operation one step further, if it is due. Running it twice, or at the same time, does no harm."""
    work = await claim(ctx, operation_id)
    if work is None:
        _log.debug("operation.not_due", operation=str(operation_id))
        return
    async with _held(ctx, work):
        reply = await _ask(provisioner_for, work.call) if work.call else Reply(Answer.DEADLINE)
    settled = await settle(ctx, work, reply)
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


async def _ask(provisioner_for: ProvisionerFor, call: Call) -> Reply:
    provisioner = provisioner_for(call)
    if isinstance(call, DeprovisionCall):
        return await provisioner.deprovision(call)
    if isinstance(call, PlanChangeCall):
        return await provisioner.change_plan(call)
    return await provisioner.provision(call)


@asynccontextmanager
async def _held(ctx: Context, work: Work) -> AsyncIterator[None]:
    """Keep the claim alive while the call lasts."""
    beating = asyncio.create_task(_beat(ctx, work))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(ctx: Context, work: Work) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        if not await heartbeat(ctx, work):
            return
