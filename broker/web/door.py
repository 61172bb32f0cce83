"""Addresses at which the API answers, too: whoever brings a token, or does not ask for HTML, goes there; browsers get a page."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.types import Scope

from broker.web.app_pages import APPS, app_address

_ADDRESS: Final = "/account"


class ForBrowsers(Route):
    """A route that is there for browsers alone."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As always, for what asks for HTML and brings no token."""
        found, child = super().matches(scope)
        headers = Headers(scope=scope)
        is_ours = "text/html" in headers.get("accept", "") and "authorization" not in headers
        # The framework's own routes name themselves, too: what is logged of a request is its route.
        return (found, {**child, "route": self}) if found is Match.FULL and is_ours else (Match.NONE, {})


async def _home(_request: Request) -> Response:
    return RedirectResponse("/account/profile", 303)


ACCOUNT: Final = ForBrowsers(_ADDRESS, _home, methods=["GET"], include_in_schema=False)
"""The way from `/account` to the pages of the account."""


async def _apps(request: Request) -> Response:
    name = request.path_params.get("app")
    return RedirectResponse(app_address(name) if name else APPS, 303, {"vary": "accept, authorization"})


DASHBOARD: Final = tuple(
    ForBrowsers(path, _apps, methods=["GET"], include_in_schema=False) for path in ("/apps", "/apps/{app}")
)
"""The ways from the addresses of apps to their pages."""
