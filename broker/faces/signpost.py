"""Finding a route without trying all of them: the broker has some hundreds, and trying one costs as much as a dictionary does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

_ANY: Final = ""


def put_up(app: FastAPI) -> None:
    """Stand before the router of an application, whatever routes it has or is going to have."""
    app.router.middleware_stack = Signpost(app.router.routes, app.router.middleware_stack)


class Signpost:
    """Leads a request to the first of the routes that answers it, and what none of them does, to the router itself.

    Only those are tried, in their order, whose paths have the same first part and as many parts as the request's.
    """

    def __init__(self, routes: Sequence[BaseRoute], router: ASGIApp) -> None:
        self._routes = routes
        self._router = router
        self._known = 0
        self._firsts: set[str] = set()
        self._most = 0
        self._ways: dict[tuple[str, int], tuple[BaseRoute, ...]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            for route in self._ways_of(scope["path"]):
                match, more = route.matches(scope)
                if match is Match.FULL:
                    scope.update(more)
                    await route.handle(scope, receive, send)
                    return
        await self._router(scope, receive, send)

    def _ways_of(self, path: str) -> tuple[BaseRoute, ...]:
        if self._known != len(self._routes):
            self._look_round()
        first, parts = _first(path), min(path.count("/"), self._most + 1)
        key = (first if first in self._firsts else _ANY, parts)
        ways = self._ways.get(key)
        if ways is None:
            ways = self._ways[key] = tuple(route for route in self._routes if _may_answer(route, *key))
        return ways

    def _look_round(self) -> None:
        """Learn what first parts there are: only those are remembered, whatever is asked for."""
        paths = [_path(route) for route in self._routes]
        self._known, self._ways = len(paths), {}
        self._firsts = {_first(path) for path in paths if "{" not in _first(path)}
        self._most = max((path.count("/") for path in paths), default=0)


def _path(route: BaseRoute) -> str:
    return str(getattr(route, "path", "/{path:path}"))


def _first(path: str) -> str:
    return path[1:].partition("/")[0]


def _may_answer(route: BaseRoute, first: str, parts: int) -> bool:
    own = _path(route)
    if "{" not in _first(own) and _first(own) != first:
        return False
    _, _, convertors = compile_path(own)
    is_whole = isinstance(route, Route) and all(each.regex != ".*" for each in convertors.values())
    return not is_whole or own.count("/") == parts
