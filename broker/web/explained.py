"""Refusals and failures that no page has taken care of, as a page for whoever asks with a browser; programs get theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from broker.faces.asking import wants_page
from broker.faces.errors import status_of
from broker.kernel.errors import BrokerError
from broker.web.pages import page

Handler = Callable[[Request, Exception], Awaitable[Response]]
_HEADINGS: Final = {
    401: "Please sign in",
    403: "This is not for you",
    405: "This can't be done here",
    408: "That took too long",
    413: "That is too much",
    429: "Please wait a moment",
    500: "Something went wrong",
    503: "Please try again",
}
_OTHERS: Final = "This can't be done"
_WORDS: Final = {
    404: "It may have moved, or the address has a typing error.",
    405: "This address only takes what a form of ours sends. Go back and use the form.",
}


def install(app: FastAPI) -> None:
    """Let browsers get pages where programs get JSON."""
    for kind in (HTTPException, BrokerError):
        app.add_exception_handler(kind, _choosing(app.exception_handlers[kind]))


def explained(status: int, message: str) -> Response:
    """The page that says it. It knows nobody and asks no database, which may be what is failing."""
    if status == HTTPStatus.NOT_FOUND:
        return page("not_found.html", status)
    heading = _HEADINGS.get(status, _OTHERS)
    return page("refused.html", status, heading=heading, message=message, onward=("To the marketplace", "/"))


def _choosing(for_programs: Any) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        if wants_page(request.headers):
            return _page(error)
        told: Response = await for_programs(request, error)
        return told

    return answer


def _page(error: Exception) -> Response:
    if isinstance(error, BrokerError):
        return explained(status_of(type(error)), error.message)
    assert isinstance(error, HTTPException)
    return explained(error.status_code, _WORDS.get(error.status_code, str(error.detail)))
