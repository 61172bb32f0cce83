"""Refusals as this face words them: one table from error class to HTTP status, and the handlers that use it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from broker.faces.answers import Answer
from broker.faces.elsewhere import not_here
from broker.kernel import errors

STATUS: Final[dict[type[errors.BrokerError], int]] = {
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.InvalidParams: 422,
    errors.BadRequest: 400,
    errors.UnsupportedMediaType: 415,
    errors.PayloadTooLarge: 413,
    errors.RequestTimeout: 408,
    errors.MultipleMatches: 422,
    errors.ConfirmationRequired: 423,
    errors.Conflict: 409,
    errors.PaymentRequired: 402,
    errors.ProviderUnavailable: 503,
    errors.Overloaded: 503,
    errors.RateLimited: 429,
}
"""A class that is not here answers like the nearest one that it derives from."""

_HEADERS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": 'Bearer realm="broker"'},
    408: {"Connection": "close"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "2"},
}


def status_of(kind: type[errors.BrokerError]) -> int:
    """The HTTP status of a class of errors."""
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


def error_body(error_id: str, message: str, **fields: Any) -> dict[str, Any]:
    """What every client expects of a non-2xx answer."""
    return {"id": error_id, "message": message, **fields}


def refusal(error: errors.BrokerError) -> Answer:
    """The answer to a request that was refused."""
    status = status_of(type(error))
    return Answer(error_body(error.id, error.message, **error.fields), status, _HEADERS.get(status))


def install(app: FastAPI) -> None:
    """Let the application answer every refusal, of ours and of the framework, in this face's words."""
    app.add_exception_handler(errors.BrokerError, _refused)
    app.add_exception_handler(HTTPException, _framework_refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _refused(_request: Request, error: Exception) -> Answer:
    assert isinstance(error, errors.BrokerError)
    return refusal(error)


async def _framework_refused(request: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    headers, told = error.headers, not_here(request.scope["path"])
    if error.status_code == HTTPStatus.NOT_FOUND:
        body = error_body("not_found", told or "The requested API endpoint was not found. Is its path right?")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_methods(request))}
        body = error_body("method_not_allowed", told or f"This API endpoint takes only {headers['Allow']}.")
    else:
        body = error_body("bad_request", str(error.detail))
    return Answer(body, error.status_code, headers)


def _methods(request: Request) -> list[str]:
    """What the path can be asked with: the framework names the methods of one route only."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


async def _invalid(_request: Request, error: Exception) -> Answer:
    assert isinstance(error, RequestValidationError)
    places = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
    return refusal(errors.InvalidParams(f"These parameters are not acceptable: {', '.join(places)}."))
