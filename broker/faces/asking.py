"""What kind of answer somebody wants, where the same address is asked by programs and by browsers."""

from __future__ import annotations

from starlette.datastructures import Headers


def wants_page(headers: Headers) -> bool:
    """Whether a person with a browser asks: only browsers want HTML first of all, and they bring no token."""
    first = headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return first == "text/html" and "authorization" not in headers
