"""Rendering: one Jinja environment, strict headers, pages that explain errors."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_pages: Final = Environment(
    loader=PackageLoader("broker.web", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
)
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
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {script}; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {**_HEADERS, "content-security-policy": policy}
    return HTMLResponse(_pages.get_template(template).render(**values), status, headers)
