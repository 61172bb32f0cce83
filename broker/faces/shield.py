"""Headers that keep browsers from being used against their users, for whatever answer does not bring its own: pages do.

An answer of the API is no page, but somebody may be led to open it as one.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders

_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_ONLY_HTTPS: Final = "max-age=31536000"
"""A year, for this host alone: what else is below the same name is not ours to bind."""
_KEPT_BY: Final = ("cache-control", "etag")


def shield(headers: MutableHeaders, *, is_https: bool) -> None:
    """Add what is missing. Whatever does not say how long it may be kept is not kept at all."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if is_https:
        headers.setdefault("strict-transport-security", _ONLY_HTTPS)
    if not any(name in headers for name in _KEPT_BY):
        headers["cache-control"] = "no-store"
