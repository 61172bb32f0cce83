"""Every route that there is: of the application, of the providers' own one behind the same door, and of whatever is mounted."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount, Route

Key = tuple[str, str]
"""Method and path, the parameters of the path by name."""


def every_route(app: FastAPI) -> set[Key]:
    return {key for part in (app, app.state.partners) for key, _ in _keys(part.routes)}


def every_page(app: FastAPI) -> set[Key]:
    """Those that are answered by `broker.web`, to browsers."""
    return {key for key, endpoint in _keys(app.routes) if endpoint.__module__.startswith("broker.web.")}


def _keys(routes: Sequence[Any], before: str = "") -> Iterator[tuple[Key, Any]]:
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield (method, before + re.sub(r":\w+}", "}", route.path)), route.endpoint
        elif isinstance(route, Mount):
            yield from _keys(route.routes or [Route("/{path}", _nothing)], before + route.path)
        else:  # what FastAPI's `include_router` leaves behind; anything else fails here
            yield from _keys(route.original_router.routes, before + route.include_context.prefix)


def _nothing() -> None: ...
