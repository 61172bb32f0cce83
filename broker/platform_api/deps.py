"""What endpoints are given: the face's own parts, who asks, and the request's body as a checked model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, NoReturn, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from broker.accounts.authenticate import authenticate
from broker.accounts.login import LoginThrottle, log_in
from broker.addons.backlog import Backlog
from broker.kernel.context import Actor, Context
from broker.kernel.errors import (
    BadRequest,
    InvalidParams,
    PayloadTooLarge,
    RequestTimeout,
    Unauthorized,
    UnsupportedMediaType,
)
from broker.platform_api.credentials import Credentials
from broker.platform_api.rates import RateLimits
from broker.platform_api.wording import sentence

SignOnUrl = Callable[[Actor, UUID, UUID], str]
"""The short-lived link with which an actor opens an add-on (first id) from an app (second)."""


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


class Body(BaseModel):
    """A request body. Members that we do not know are ignored: the clients send some that concern others."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


B = TypeVar("B", bound=Body)


def face_of(request: Request) -> Face:
    """The parts of the face that answers this request."""
    face: Face = request.app.state.face
    return face


async def current_actor(request: Request) -> Actor:
    """Who asks, by token: Bearer, or Basic with the token as password.

    Raises: Unauthorized.
    """
    return await authenticate(face_of(request).ctx, _credentials(request).secret)


async def signing_in(request: Request) -> Actor:
    """Who asks, by token or by e-mail address and password: only where tokens are made.

    Raises: Unauthorized, RateLimited.
    """
    face, credentials = face_of(request), _credentials(request)
    if not credentials.user or "@" not in credentials.user:
        return await current_actor(request)
    try:
        return await authenticate(face.ctx, credentials.secret)
    except Unauthorized:
        return await log_in(face.ctx, face.throttle, credentials.user, credentials.secret)


CurrentActor = Annotated[Actor, Depends(current_actor)]
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
    raw = await read_object(request)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidParams(sentence(error)) from None


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; no body at all counts as an empty one.

    Raises: BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType.
    """
    face = face_of(request)
    try:
        async with asyncio.timeout(face.client_timeout.total_seconds()):
            raw = await _bytes(request, face.request_limit_bytes)
    except TimeoutError:
        raise RequestTimeout("The request body did not arrive in time; send it again, all at once.") from None
    if not raw.strip():
        return {}
    _check_type(request.headers.get("content-type"))
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    except ValueError:
        raise BadRequest("The request body is not valid JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object.")
    return value


async def _bytes(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
        _too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> NoReturn:
    raise PayloadTooLarge(f"The request body may have at most {limit} bytes.")


_JSON: Final = ("application/json", "text/json")


def _check_type(header: str | None) -> None:
    kind = (header or _JSON[0]).partition(";")[0].strip().lower()
    if kind not in _JSON and not kind.endswith("+json"):
        raise UnsupportedMediaType("Send the request body as JSON, with `Content-Type: application/json`.")


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")
