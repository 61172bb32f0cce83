"""What pages load besides themselves: style, scripts, pictures of ours. An address holds a hash of what it leads to."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from broker.web.squeezed import LEAST, squeezed, takes_gzip

STATIC: Final = Path(__file__).parent / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"
_OK: Final = 200


def static(name: str) -> str:
    """The address of a file in `static/`, which changes with the file."""
    return f"/static/{name}?v={_version(name)}"


class Assets(StaticFiles):
    """The files; for ever good under an address of `static`, else to be asked for again."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file with what may be kept of it."""
        response = await super().get_response(path, scope)
        named = scope["query_string"] == f"v={_version(path)}".encode() if response.status_code == _OK else False
        response.headers["cache-control"] = _FOR_EVER if named else _ASK_FIRST
        response.headers["x-content-type-options"] = "nosniff"
        if response.status_code != _OK or not _is_short(path):
            return response
        response.headers["vary"] = "accept-encoding"
        asked = Headers(scope=scope)
        return response if "range" in asked or not takes_gzip(asked) else _as_short(response, path)


def _as_short(response: Response, path: str) -> Response:
    """The same answer, compressed. Its tag is another: it is other bytes."""
    headers = {**response.headers, "etag": f'"{_version(path)}-gzip"', "content-encoding": "gzip"}
    return Response(_short(path), headers={name: headers[name] for name in headers if name != "content-length"})


@cache
def _is_short(name: str) -> bool:
    return (STATIC / name).suffix in (".css", ".js", ".svg") and (STATIC / name).stat().st_size >= LEAST


@cache
def _short(name: str) -> bytes:
    """Compressed once, while the process lives."""
    return squeezed((STATIC / name).read_bytes())


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
