"""The pages behind an app's `web_url` and at the root: they say where one is and what to type. They know no account."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request, Response

from broker.web.pages import page

router = APIRouter(include_in_schema=False)
_APP_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")


@router.get("/")
async def root(request: Request) -> Response:
    """Where one is."""
    return page("landing.html", app=None, origin=request.app.state.face.public_url)


@router.get("/dashboard/apps/{name}")
async def app(request: Request, name: str) -> Response:
    """The same for every name, whether there is such an app or not."""
    shown = name if _APP_NAME.fullmatch(name) else None
    return page("landing.html", app=shown, origin=request.app.state.face.public_url)
