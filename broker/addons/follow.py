"""Following what is done for an add-on while it is being done, without holding a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from broker.addons.models import OperationState
from broker.addons.queries import OperationView, list_operations
from broker.kernel.context import Actor, Context


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a follower hears something. Units: seconds."""

    heartbeat: float = 15.0
    """At the latest after this: so that both sides notice when the other is gone."""
    look: float = 2.0
    """How soon the beginning of an attempt is seen. Ends are notified, beginnings are not: each would cost a round trip."""
    longest: float = 900.0
    """Then the follower asks again, and it is checked again who that is."""


USUAL: Final = Rhythm()


async def follow(
    ctx: Context, actor: Actor, addon_id: UUID, rhythm: Rhythm = USUAL
) -> AsyncGenerator[OperationView | None, None]:
    """The newest operation of a visible add-on as it is now, and again at each change; None when nothing has changed.

    Ends when nothing is unfinished, when the process is about to end, and in any case after `rhythm.longest`.
    Transactions: a short one per look.
    """
    now = asyncio.get_running_loop().time
    subject, last, spoke, end = addon_id, None, now(), now() + rhythm.longest
    while now() < end:
        async with ctx.signals.subscribe(subject) as changed:  # before the look, so that no change is missed
            newest = next(iter(await list_operations(ctx, actor, addon_id)), None)
            if newest is None:
                return
            if newest != last or now() - spoke >= rhythm.heartbeat:
                yield newest if newest != last else None
                last, spoke = newest, now()
            if newest.finished_at is not None or ctx.signals.over:
                return
            if newest.id == subject:
                await _until(changed, _pause(newest, rhythm, spoke + rhythm.heartbeat - now()))
        subject = newest.id


def _pause(newest: OperationView, rhythm: Rhythm, left: float) -> float:
    """An operation that its provider has accepted changes by nothing that is not notified."""
    return max(left if newest.state == OperationState.WAITING else min(rhythm.look, left), 0.0)


async def _until(changed: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await changed.wait()
    except TimeoutError:
        return
