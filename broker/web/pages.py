"""Rendering: one Jinja environment, strict headers, pages that explain errors."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from broker.faces.errors import status_of
from broker.kernel.errors import BrokerError

_pages: Final = Environment(
    loader=PackageLoader("broker.web", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
)
STATIC: Final = Path(__file__).parent / "static"
_pages.globals["style_version"] = hashlib.sha256((STATIC / "style.css").read_bytes()).hexdigest()[:12]
_HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def page(
    template: str, status: int = 200, *, form_action: str = "'none'", script: str = "'none'", **values: Any
) -> Response:
    """A page. `form_action` says where its form may be sent to, `script` the only script it may run."""
    policy = (
        f"default-src 'none'; style-src 'self'; script-src {script}; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {**_HEADERS, "content-security-policy": policy}
    return HTMLResponse(_pages.get_template(template).render(**values), status, headers)


def refusal_page(error: BrokerError) -> Response:
    """A page that says why something was refused."""
    return page(
        "refused.html", status_of(type(error)), heading="This can't be done", message=error.message, way_out=None
    )
