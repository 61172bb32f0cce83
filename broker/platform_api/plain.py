"""Routes of endpoints that take no more than the request, who asks, and parts of the path."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute

from broker.platform_api.deps import CurrentActor, current_actor

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PlainRoute(APIRoute):
    """As any other in all that can be seen. Such endpoints are called as they are, without the framework's solving of
    dependencies, which would take a tenth of a request's processor time; endpoints that take more are left to it."""

    def get_route_handler(self) -> _Handler:
        """What answers a request."""
        return self._answer if _is_plain(self.endpoint, set(self.param_convertors)) else super().get_route_handler()

    async def _answer(self, request: Request) -> Response:
        actor = await current_actor(request)
        answer: Response = await self.endpoint(request=request, actor=actor, **request.path_params)
        return answer


def _is_plain(endpoint: Callable[..., Any], parts: set[str]) -> bool:
    if not inspect.iscoroutinefunction(endpoint):
        return False
    hints = get_type_hints(endpoint, include_extras=True)
    taken = {name: hints.get(name) for name in inspect.signature(endpoint).parameters}
    return taken == {"request": Request, "actor": CurrentActor} | dict.fromkeys(parts, str)
