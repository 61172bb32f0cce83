"""Waiting for an operation's outcome, or for whatever else a worker does, without holding a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from broker.addons.models import Operation, OperationState
from broker.kernel.context import Context
from broker.kernel.db import Database
from broker.kernel.direct import Direct
from broker.kernel.errors import Conflict, InvalidParams, ProviderRefused, ProviderUnavailable
from broker.kernel.places import place_lent

NO_WAIT: Final = timedelta(0)
_SETTLED: Final = (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.WAITING)


async def _operation_settled(database: Database, operation_id: UUID) -> bool:
    return all(row.state in _SETTLED for row in await _RESULT.read(database, operation_id=operation_id))


_RESULT: Final = Direct(
    select(Operation.state, Operation.reason, Operation.error_id).where(Operation.id == bindparam("operation_id"))
)


@asynccontextmanager
async def waiting(
    ctx: Context,
    subject: UUID,
    bound: timedelta,
    is_settled: Callable[[Database, UUID], Awaitable[bool]] = _operation_settled,
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Subscribe before the intent is committed; the function that is given waits until the outcome or the bound."""
    if not bound:
        yield _at_once
        return
    async with ctx.signals.subscribe(subject) as event:

        async def outcome() -> None:
            try:
                async with asyncio.timeout(bound.total_seconds()):
                    with place_lent():
                        await _settled(ctx, subject, event, is_settled)
            except TimeoutError:
                return

        yield outcome


async def _at_once() -> None:
    return


async def _settled(
    ctx: Context, subject: UUID, event: asyncio.Event, is_settled: Callable[[Database, UUID], Awaitable[bool]]
) -> None:
    while not ctx.signals.over:
        await event.wait()
        event.clear()
        if await is_settled(ctx.database, subject):
            return


async def raise_failure(database: Database, operation_id: UUID) -> None:
    """Go on, unless the operation has failed.

    Raises: ProviderRefused with the provider's words; ProviderUnavailable; Conflict if it was overtaken.
    """
    (row,) = await _RESULT.read(database, operation_id=operation_id)
    if row.state != OperationState.FAILED:
        return
    message = row.reason or "The operation failed."
    if row.error_id == InvalidParams.id:
        raise ProviderRefused(message)
    if row.error_id == Conflict.id:
        raise Conflict(message)
    raise ProviderUnavailable(message)
