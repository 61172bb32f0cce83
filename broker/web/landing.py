"""The page behind an app's `web_url`: it says where one is and what to type. It knows no account."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request, Response

from broker.web.pages import page

_APP_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")


def landing(request: Request, name: str) -> Response:
    """The same page for every name, whether there is such an app or not."""
    shown = name if _APP_NAME.fullmatch(name) else None
    return page("landing.html", app=shown, origin=request.app.state.face.public_url)
