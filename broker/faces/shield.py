"""Headers that keep browsers from being used against their users, for whatever answer does not bring its own: pages do.

An answer of the API is no page, but somebody may be led to open it as one.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ONLY_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")
"""A year, for this host alone: what else is below the same name is not ours to bind."""
_KEPT_BY: Final = frozenset((b"cache-control", b"etag"))
_NOT_KEPT: Final = (b"cache-control", b"no-store")


def shield(headers: MutableHeaders, *, is_https: bool) -> None:
    """Add what is missing. Whatever does not say how long it may be kept is not kept at all."""
    there = {name.lower() for name, _ in headers.raw}
    headers.raw.extend(header for header in _ALWAYS if header[0] not in there)
    if is_https and _ONLY_HTTPS[0] not in there:
        headers.raw.append(_ONLY_HTTPS)
    if there.isdisjoint(_KEPT_BY):
        headers.raw.append(_NOT_KEPT)
