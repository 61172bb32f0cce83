"""Live answers, as server-sent events: what is done for an add-on, while it is being done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from fastapi import Request

from broker.addons.follow import follow
from broker.faces.streams import HEARTBEAT, KIND, EventStream, event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import DatabaseUnavailable
from broker.platform_api import serialize

DESCRIBED: Final[dict[str, Any]] = {
    KIND: {
        "schema": {
            "type": "string",
            "description": "An event `operation` at each change of the newest operation, until it is finished.",
        }
    }
}
"""What the OpenAPI document says of such an answer."""


def is_wanted(request: Request) -> bool:
    """Whether the client asks for events."""
    return KIND in request.headers.get("accept", "")


def operations_of(ctx: Context, actor: Actor, addon_id: UUID) -> EventStream:
    """The operations of an add-on that the actor may see."""
    return EventStream(_events(ctx, actor, addon_id))


async def _events(ctx: Context, actor: Actor, addon_id: UUID) -> AsyncIterator[str]:
    try:
        async with aclosing(follow(ctx, actor, addon_id)) as changes:
            async for view in changes:
                yield HEARTBEAT if view is None else event("operation", _compact(serialize.operation(view)))
    except DatabaseUnavailable:
        return  # the answer has begun: ending it early is all that can be said, and the client asks again


def _compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
