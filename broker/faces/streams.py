"""Answers that go on while something happens, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from broker.kernel.places import place_lent

KIND: Final = "text/event-stream"
HEARTBEAT: Final = ": nothing new\n\n"
"""Says nothing, so that both sides notice when the other is gone."""


class EventStream(StreamingResponse):
    """An answer that goes on. It takes nobody's place: most of the time it waits."""

    media_type = KIND

    def __init__(self, events: AsyncIterable[str]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, in nobody's place."""
        with place_lent():
            await super().__call__(scope, receive, send)


def event(name: str, data: str) -> str:
    """One event; of several lines, the client gets them all."""
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
