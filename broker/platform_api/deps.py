"""What endpoints are given: the face's own parts, who asks, and the request's body as a checked model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from broker.accounts.authenticate import authenticate
from broker.accounts.login import LoginThrottle, log_in
from broker.accounts.team_roles import RULING
from broker.accounts.teams import acting_for_team
from broker.addons.backlog import Backlog
from broker.faces import reading
from broker.faces.credentials import Credentials
from broker.faces.reading import B, Bounds, checked
from broker.faces.reading import Body as Body
from broker.faces.serialize import SignOnUrl as SignOnUrl
from broker.kernel.context import Actor, Context
from broker.kernel.errors import AccountLocked, Unauthorized
from broker.kernel.secret import Secret
from broker.payments.ports import ReadNews
from broker.platform_api.rates import RateLimits


@dataclass(frozen=True, slots=True)
class Face:
    """What the Platform API works with."""

    ctx: Context
    public_url: str
    sign_on_url: SignOnUrl
    operation_wait: timedelta
    token_life: timedelta
    request_limit_bytes: int
    client_timeout: timedelta
    backlog: Backlog
    rates: RateLimits
    throttle: LoginThrottle
    rotation_overlap: timedelta = timedelta(hours=2)
    kit_keys: tuple[str, ...] = ()
    payment_news: tuple[str, ReadNews] | None = None
    """The payment gateway's name, and what reads its webhooks."""


def face_of(request: Request) -> Face:
    """The parts of the face that answers this request."""
    face: Face = request.app.state.face
    return face


async def current_actor(request: Request) -> Actor:
    """Who asks, by token: Bearer, or Basic with the token as password.

    Raises: Unauthorized, AccountLocked.
    """
    try:
        actor = await authenticate(face_of(request).ctx, _credentials(request).secret)
    except AccountLocked:
        request.state.vouch()  # the token is good: whoever else is at this network address does not pay for its requests
        raise
    request.state.vouch()
    return actor


async def signing_in(request: Request) -> Actor:
    """Who asks, by token or by e-mail address and password, with a code of the second factor: only where tokens are made.

    Raises: Unauthorized, RateLimited, TwoFactorRequired.
    """
    face, credentials = face_of(request), _credentials(request)
    if not credentials.user or "@" not in credentials.user:
        return await current_actor(request)
    try:
        return await current_actor(request)
    except Unauthorized:
        return await log_in(face.ctx, face.throttle, credentials.user, credentials.secret, code_of(request))


def code_of(request: Request) -> Secret | None:
    """The code of the second factor that the request brings."""
    code = request.headers.get("heroku-two-factor-code")
    return Secret(code) if code else None


CurrentActor = Annotated[Actor, Depends(current_actor)]
_Team = Annotated[
    str | None, Query(description="Name or id of a team: its account is meant in place of one's own.", max_length=100)
]


async def paying_actor(request: Request, actor: CurrentActor, team: _Team = None) -> Actor:
    """Who asks about money: for a team's account with `?team=`, for those who see to its money.

    Raises: Unauthorized, NotFound, Forbidden.
    """
    return actor if team is None else await acting_for_team(face_of(request).ctx, actor, team)


async def ruling_actor(request: Request, actor: CurrentActor, team: _Team = None) -> Actor:
    """Who asks about what an account is given: for a team with `?team=`, for its owners and admins.

    Raises: Unauthorized, NotFound, Forbidden.
    """
    return actor if team is None else await acting_for_team(face_of(request).ctx, actor, team, RULING)


PayingActor = Annotated[Actor, Depends(paying_actor)]
RulingActor = Annotated[Actor, Depends(ruling_actor)]
SigningIn = Annotated[Actor, Depends(signing_in)]


def _credentials(request: Request) -> Credentials:
    credentials: Credentials | None = request.state.credentials
    if credentials is None:
        raise Unauthorized(
            "There were no credentials in your `Authorization` header. Try `Authorization: Bearer TOKEN`."
        )
    return credentials


async def read(request: Request, model: type[B]) -> B:
    """The body, checked.

    Raises: InvalidParams in one sentence, BadRequest, PayloadTooLarge, UnsupportedMediaType.
    """
    return checked(model, await read_object(request))


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; no body at all counts as an empty one.

    Raises: BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType.
    """
    face = face_of(request)
    return await reading.read_object(request, Bounds(face.request_limit_bytes, face.client_timeout))
