"""The application that answers provider's tokens, and the door where they are told from all others.

It has a table of its own, so that an endpoint which is not in it is refused to a provider, whatever is added elsewhere.
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from broker.addons.partner import is_partner_token
from broker.faces import errors
from broker.faces.answers import Answer
from broker.faces.credentials import parse
from broker.faces.reading import Bounds
from broker.kernel.context import Context
from broker.kernel.errors import Forbidden
from broker.partner_api import routes

_OPEN: Final = "/oauth/token"
"""Where tokens are made: what else a provider sends there as its own is of no account."""


def partner_face(ctx: Context, public_url: str, bounds: Bounds) -> FastAPI:
    """The application for requests with a provider's token."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.ctx = ctx
    app.state.public_url = public_url
    app.state.bounds = bounds
    errors.install(app)
    app.add_exception_handler(HTTPException, _out_of_reach)
    routes.install_for_tokens(app)
    return app


async def _out_of_reach(_request: Request, _error: Exception) -> Answer:
    return errors.refusal(Forbidden("A provider's token reaches its own add-on and what belongs to it; this does not."))


class ByToken:
    """Hands what comes with a provider's token to the partner face, and everything else on."""

    def __init__(self, app: ASGIApp, partners: ASGIApp) -> None:
        self._app = app
        self._partners = partners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._partners if scope["type"] == "http" and _is_from_provider(scope) else self._app
        await app(scope, receive, send)


def _is_from_provider(scope: Scope) -> bool:
    credentials = parse(Headers(scope=scope).get("authorization"))
    if credentials is None or scope["path"] == _OPEN:
        return False
    return is_partner_token(credentials.secret.reveal())
