"""Reading request bodies: bounded in size and time, as JSON objects, as checked models."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from broker.faces.wording import sentence
from broker.kernel.errors import BadRequest, InvalidParams, PayloadTooLarge, RequestTimeout, UnsupportedMediaType


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may send, and how long it may take to."""

    limit_bytes: int
    patience: timedelta


class Body(BaseModel):
    """A request body. Members that we do not know are ignored: the clients send some that concern others."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


B = TypeVar("B", bound=Body)


def checked(model: type[B], raw: dict[str, Any]) -> B:
    """What was read, as the model.

    Raises: InvalidParams in one sentence.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidParams(sentence(error)) from None


def storable(text: str) -> str:
    """The text, if a column can hold it: JSON can spell lone surrogates and NUL, PostgreSQL cannot.

    Raises: ValueError.
    """
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


async def read_bytes(request: Request, bounds: Bounds) -> bytes:
    """The body as it came.

    Raises: PayloadTooLarge, RequestTimeout.
    """
    try:
        async with asyncio.timeout(bounds.patience.total_seconds()):
            return await _bytes(request, bounds.limit_bytes)
    except TimeoutError:
        raise RequestTimeout("The request body did not arrive in time; send it again, all at once.") from None


async def read_object(request: Request, bounds: Bounds) -> dict[str, Any]:
    """The body as a JSON object; no body at all counts as an empty one.

    Raises: BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType.
    """
    value = await read_json(request, bounds)
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object.")
    return value


async def read_json(request: Request, bounds: Bounds) -> Any:
    """The body as JSON; no body at all counts as an empty object.

    Raises: BadRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType.
    """
    raw = await read_bytes(request, bounds)
    if not raw.strip():
        return {}
    _check_type(request.headers.get("content-type"))
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the request body as it is, without `Content-Encoding`.")
    try:
        return json.loads(raw.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    except ValueError:
        raise BadRequest("The request body is not valid JSON in UTF-8.") from None


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
