"""Compressing what is the same for everybody: public pages, and the files that pages load.

What is shown to whoever is signed in is sent as it is: how short it becomes would tell, guess by guess, of the secrets that
stand in it beside what others may put there (BREACH).
"""

from __future__ import annotations

import gzip
from typing import Final

from starlette.datastructures import Headers

LEAST: Final = 1024
"""Below that, nothing is gained. Units: bytes."""
_LEVEL: Final = 5
_TEXTS: Final = ("text/", "application/xml", "application/javascript", "image/svg+xml")


def takes_gzip(headers: Headers) -> bool:
    """Whether whoever asks can read it."""
    offers = (offer.partition(";") for offer in headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() == "gzip" and rest.replace(" ", "") not in ("q=0", "q=0.0") for name, _, rest in offers)


def is_worth_it(body: bytes, media_type: str) -> bool:
    """Whether it gets shorter: pictures are compressed already."""
    return len(body) >= LEAST and media_type.startswith(_TEXTS)


def squeezed(body: bytes) -> bytes:
    """The same bytes each time."""
    return gzip.compress(body, _LEVEL, mtime=0)
