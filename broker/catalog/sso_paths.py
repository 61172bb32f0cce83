"""Paths into a provider's dashboard: which are paths at all, and which of them a service lets links lead to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 500
_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_NEVER_ENCODED: Final = re.compile(r"[\x00-\x1f\x7f./\\%]")
"""What nobody has a reason to hide behind a percent sign in a path."""


def path_complaint(path: str) -> str | None:
    """What keeps this from being a path (perhaps with a query) on whatever host it is put behind, or None.

    Whoever joins such a path to an origin stays on that origin and does not climb: no scheme, no host, no backslash, no
    `..`, no control character, openly or percent-encoded.
    """
    place, _, query = path.partition("?")
    if len(path) > LONGEST:
        return f"is longer than {LONGEST} characters."
    if not _PATH.fullmatch(place) or not _QUERY.fullmatch(query):
        return "must be a path such as /invoices or /logs?level=error: no address, no backslash, no blanks, no #."
    if "//" in place or {".", ".."} & set(place.split("/")):
        return "must not have empty parts, `.` or `..`."
    if place.count("%") != len(_ENCODED.findall(place)) or query.count("%") != len(_ENCODED.findall(query)):
        return "has a percent sign that encodes nothing."
    if any(_NEVER_ENCODED.match(unquote(code)) for code in _ENCODED.findall(place)):
        return "encodes a character that must stand openly."
    return None


def is_below(path: str, allowed: Iterable[str]) -> bool:
    """Whether the path is one of the allowed ones, or below one."""
    place = path.partition("?")[0]
    return any(place == each or place.startswith(each.rstrip("/") + "/") for each in allowed)
