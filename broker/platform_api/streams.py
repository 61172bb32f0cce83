"""Live answers, as server-sent events: what is done for an add-on, while it is being done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from broker.addons.follow import follow
from broker.kernel.context import Actor, Context
from broker.kernel.errors import DatabaseUnavailable
from broker.kernel.places import place_lent
from broker.platform_api import serialize

KIND: Final = "text/event-stream"
DESCRIBED: Final[dict[str, Any]] = {
    KIND: {
        "schema": {
            "type": "string",
            "description": "An event `operation` at each change of the newest operation, until it is finished.",
        }
    }
}
"""What the OpenAPI document says of such an answer."""
_HEARTBEAT: Final = ": nothing new\n\n"


class EventStream(StreamingResponse):
    """An answer that goes on. It takes nobody's place: most of the time it waits."""

    media_type = KIND

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with place_lent():
            await super().__call__(scope, receive, send)


def is_wanted(request: Request) -> bool:
    """Whether the client asks for events."""
    return KIND in request.headers.get("accept", "")


def operations_of(ctx: Context, actor: Actor, addon_id: UUID) -> EventStream:
    """The operations of an add-on that the actor may see."""
    return EventStream(_events(ctx, actor, addon_id), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def _events(ctx: Context, actor: Actor, addon_id: UUID) -> AsyncIterator[str]:
    try:
        async with aclosing(follow(ctx, actor, addon_id)) as changes:
            async for view in changes:
                yield _HEARTBEAT if view is None else _event("operation", serialize.operation(view))
    except DatabaseUnavailable:
        return  # the answer has begun: ending it early is all that can be said, and the client asks again


def _event(name: str, content: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n"
