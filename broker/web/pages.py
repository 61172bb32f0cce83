"""Rendering: one Jinja environment, strict headers, pages that explain errors. How a page looks is told in static/style.css."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from broker.accounts.emails import team_called
from broker.faces.errors import status_of
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.assets import static
from broker.web.moments import month_words

HTMX: Final = ("script.js", "vendor/htmx.min.js")
"""The scripts of a page that answers while one types. It works without them, too."""
COPY: Final = ("script.js",)
"""The scripts of a page with commands to copy."""

_OUTWARD: Final = ("https://", "http://")
"""What addresses of others begin with: manifests are held to it when they come, pages once more when they link there."""


def region_words(region: str) -> str:
    """What people call a region: `US`, `Tokyo`, `Everywhere`."""
    return "Everywhere" if region == "*" else region.upper() if len(region) == 2 else region.capitalize()


_pages: Final = Environment(
    loader=PackageLoader("broker.web", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=False,
)
_pages.globals["static"] = static
_pages.filters["month"] = month_words
_pages.filters["who"] = lambda email: f"the team {team}" if (team := team_called(email)) else email
_pages.filters["region"] = region_words
_pages.filters["outward"] = lambda url: url if url.startswith(_OUTWARD) else "#"
_HEADERS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True, slots=True)
class Flash:
    """A sentence above a page: what has just been done, or why not."""

    kind: Literal["good", "warn", "bad", "info"]
    text: str


def page(
    template: str,
    status: int = 200,
    *,
    seen: SignedIn | None = None,
    flash: Flash | None = None,
    place: str = "",
    form_action: str = "'self'",
    script: str = "'none'",
    scripts: Sequence[str] = (),
    **values: Any,
) -> Response:
    """A page. `seen` is who is signed in, `place` the entry of the main navigation that it belongs to.

    `form_action` says where its forms may be sent to, `scripts` which of our files it runs, `script` the policy for a
    script of its own where there is one.
    """
    policy = _policy(form_action, "'self'" if scripts else script, reads=bool(scripts))
    values |= {"seen": seen, "flash": flash, "place": place, "scripts": scripts}
    headers = {**_HEADERS, "content-security-policy": policy}
    if (
        seen is not None
    ):  # a window of another site keeps no hold on it; clients may have one on consent, and hear of its end
        headers["cross-origin-opener-policy"] = "same-origin"
    return HTMLResponse(_pages.get_template(template).render(**values), status, headers)


def rendered(template: str, **values: Any) -> str:
    """A part of a page, to be put into one that is there."""
    return _pages.get_template(template).render(**values)


def refusal_page(error: BrokerError, seen: SignedIn | None = None) -> Response:
    """A page that says why something was refused."""
    status = status_of(type(error))
    return page("refused.html", status, seen=seen, heading="This can't be done", message=error.message)


def _policy(form_action: str, script: str, *, reads: bool) -> str:
    """Nothing from elsewhere, nothing inline, no frames; `reads` lets scripts of ours ask this host."""
    connect = " connect-src 'self';" if reads else ""
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self'; script-src {script};{connect} form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
