"""Signing in of command lines with a browser, as the Heroku CLI and ours do it: begin, and wait for the token.

Source: the login of the Heroku CLI (`@heroku-cli/command`): `POST /auth`, then a long `GET` of what that has answered.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request

from broker.accounts.authorizations import AuthorizationView
from broker.accounts.cli_logins import LoginState, begin_cli_login, fetch_cli_login, short_code
from broker.faces.answers import Answer
from broker.kernel.errors import Overloaded, RateLimited, Unauthorized
from broker.kernel.secret import Secret
from broker.platform_api import cli_login_shapes as shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(prefix="/auth", tags=["authorizations"], responses=REFUSED)

_WAIT: Final = timedelta(seconds=50)
"""How long an answer waits for the user: the Heroku CLI waits for a minute, and asks again three times after a 503."""
_LOOK_EVERY_S: Final = 0.5
_waiting: Final[set[str]] = set()
"""Those that somebody waits for in this process: one at a time, so that nobody fills the places of requests with them."""


class BeginBody(Body):
    """What the user is shown of whoever asks."""

    description: Text | None = None


@router.post("", status_code=201, openapi_extra=takes(BeginBody), responses=gives(shapes.CliLogin, 201))
async def begin(request: Request) -> Answer:
    """Begin: the user opens `browser_url`, the command line asks `cli_url` with `token` as its bearer token."""
    body = await read(request, BeginBody)
    begun = await begin_cli_login(face_of(request).ctx, body.description or "")
    page = begun.page.reveal()
    found: shapes.CliLogin = {
        "browser_url": f"/auth/browser/{page}",
        "cli_url": f"/auth/cli/{page}",
        "token": begun.token.reveal(),
        "code": short_code(page),
    }
    return Answer(found, 201)


@router.get("/cli/{login}", responses=gives(shapes.CliLoginResult))
async def fetch(request: Request, login: str) -> Answer:
    """Wait for the user's decision: a token, which only this answer holds, or why there is none. 503 says to ask again."""
    credentials = request.state.credentials
    if credentials is None:
        raise Unauthorized("Send the token that `POST /auth` has answered as the bearer token.")
    if login in _waiting:
        raise RateLimited("Somebody waits for this login already.")
    _waiting.add(login)
    try:
        return Answer(_result(await _decided(request, login, credentials.secret)))
    finally:
        _waiting.discard(login)


async def _decided(request: Request, login: str, token: Secret) -> AuthorizationView | LoginState:
    face, loop = face_of(request), asyncio.get_running_loop()
    until = loop.time() + min(_WAIT, 2 * face.operation_wait).total_seconds()
    while True:
        came = await fetch_cli_login(face.ctx, login, token, face.token_life)
        if came is not LoginState.WAITING:
            return came
        if loop.time() >= until or await request.is_disconnected():
            raise Overloaded("Nobody has decided in the browser yet; ask again.")
        await asyncio.sleep(_LOOK_EVERY_S)


def _result(came: AuthorizationView | LoginState) -> shapes.CliLoginResult:
    if isinstance(came, LoginState):
        return {"access_token": None, "authorization": None, "error": "The login was refused in the browser."}
    assert came.token is not None, "it was just made"
    return {"access_token": came.token.reveal(), "authorization": str(came.id), "error": None}
