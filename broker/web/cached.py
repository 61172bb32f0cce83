"""Answers that may be kept: by everybody for what is the same for everybody, by the browser alone for who is signed in."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Request, Response

from broker.oauth.sessions import SignedIn

FOR_A_MINUTE: Final = 60
FOR_A_DAY: Final = 86_400
_NOT_CHANGED: Final = 304
_OK: Final = 200


def cached(request: Request, response: Response, max_age_s: int, seen: SignedIn | None = None) -> Response:
    """The answer, or that it is the one that the client has. Nothing but a plain success is kept. Units: seconds."""
    if response.status_code != _OK:
        return response
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    keeping = f"public, max-age={max_age_s}" if seen is None else "private, no-cache"
    response.headers.update({"etag": tag, "cache-control": keeping, "vary": "cookie"})
    if not _has(request.headers.get("if-none-match", ""), tag):
        return response
    kept = {name: response.headers[name] for name in ("etag", "cache-control", "vary")}
    return Response(status_code=_NOT_CHANGED, headers=kept)


def _has(held: str, tag: str) -> bool:
    """Whether one of the tags that the client holds is this one; that it went through a compressor does not matter."""
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in held.split(","))
