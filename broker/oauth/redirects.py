"""Redirect URIs: which may be registered, and which of them a request may name. Nothing is normalised: what differs is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from broker.kernel.errors import InvalidParams

LONGEST: Final = 2000
MOST: Final = 10
_SAFE: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=%]+")
"""The characters of a URI, without `#` and `*`."""
_OWN_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
"""A reversed domain name, as native apps are told to use. Source: RFC 8252, section 7.1."""
_LOOPBACK: Final = ("127.0.0.1", "::1")
_LOCAL: Final = (*_LOOPBACK, "localhost")


def checked_redirects(uris: Sequence[str], *, public: bool) -> list[str]:
    """The URIs, if a client of this kind may have them.

    Raises: InvalidParams.
    """
    if not 0 < len(uris) <= MOST:
        raise InvalidParams(f"redirect_uri: give one to {MOST}, such as https://app.example.com/callback.")
    for uri in uris:
        if fault := _fault(uri, public):
            raise InvalidParams(f"redirect_uri: {fault}.")
    return list(dict.fromkeys(uris))


def _fault(uri: str, public: bool) -> str | None:
    parts = _split(uri)
    if parts is None or len(uri) > LONGEST:
        return "must be an absolute URI without wildcard, fragment, user name or blank"
    if "/../" in f"{_decoded_dots(parts.path)}/" or "/./" in f"{_decoded_dots(parts.path)}/":
        return "must not have . or .. in its path"
    if parts.scheme == "https" and parts.hostname:
        return None
    if parts.scheme == "http" and parts.hostname in _LOCAL:
        return None
    if public and _OWN_SCHEME.fullmatch(parts.scheme) and parts.path.startswith("/") and not parts.netloc:
        return None
    return "must begin with https://, or with http:// on 127.0.0.1, [::1] or localhost"


def _split(uri: str) -> SplitResult | None:
    if not _SAFE.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        valid = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if valid and parts.scheme and "@" not in parts.netloc else None


def _decoded_dots(path: str) -> str:
    return re.sub("%2e", ".", re.sub("%2f", "/", path, flags=re.IGNORECASE), flags=re.IGNORECASE)


def is_registered(registered: Sequence[str], asked: str) -> bool:
    """Whether the request may name this one: letter by letter, but for the port of a loopback address.

    Source: RFC 9700, section 2.1; RFC 8252, section 7.3.
    """
    return asked in registered or any(_same_but_for_port(uri, asked) for uri in registered)


def _same_but_for_port(registered: str, asked: str) -> bool:
    theirs, ours = _split(asked), _split(registered)
    if theirs is None or ours is None or ours.scheme != "http" or ours.hostname not in _LOOPBACK:
        return False
    return _without_port(theirs) == _without_port(ours) and theirs.hostname == ours.hostname


def _without_port(parts: SplitResult) -> tuple[str, ...]:
    host, _, _ = parts.netloc.rpartition(":") if parts.port is not None else (parts.netloc, "", "")
    return (parts.scheme, host, parts.path, parts.query)
