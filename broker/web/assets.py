"""What pages load besides themselves: style, scripts, pictures of ours. An address holds a hash of what it leads to."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


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
        named = scope["query_string"] == f"v={_version(path)}".encode() if response.status_code == 200 else False
        response.headers["cache-control"] = _FOR_EVER if named else _ASK_FIRST
        response.headers["x-content-type-options"] = "nosniff"
        return response


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
