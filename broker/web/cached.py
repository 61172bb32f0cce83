"""Answers that may be kept: by everybody for what is the same for everybody, by the browser alone for who is signed in."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Request, Response

from broker.oauth.sessions import SignedIn
from broker.web.squeezed import is_worth_it, squeezed, takes_gzip

FOR_A_MINUTE: Final = 60
FOR_A_DAY: Final = 86_400
_NOT_CHANGED: Final = 304
_OK: Final = 200


def cached(request: Request, response: Response, max_age_s: int, seen: SignedIn | None = None) -> Response:
    """The answer, or that it is the one that the client has. Nothing but a plain success is kept. Units: seconds."""
    if response.status_code != _OK:
        return response
    body = bytes(response.body)
    shrinks = (
        seen is None and is_worth_it(body, response.headers.get("content-type", "")) and takes_gzip(request.headers)
    )
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}{"-gzip" if shrinks else ""}"'
    keeping = f"public, max-age={max_age_s}" if seen is None else "private, no-cache"
    response.headers.update({"etag": tag, "cache-control": keeping, "vary": "cookie, accept-encoding"})
    if not _has(request.headers.get("if-none-match", ""), tag):
        return _squeezed(response, body) if shrinks else response
    kept = {name: response.headers[name] for name in ("etag", "cache-control", "vary")}
    return Response(status_code=_NOT_CHANGED, headers=kept)


def _squeezed(response: Response, body: bytes) -> Response:
    response.body = squeezed(body)
    response.headers.update({"content-encoding": "gzip", "content-length": str(len(response.body))})
    return response


def _has(held: str, tag: str) -> bool:
    """Whether one of the tags that the client holds is this one; that it went through a compressor does not matter."""
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in held.split(","))
