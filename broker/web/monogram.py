"""The picture of a service that brings none: the first letters of its slug on a colour of its own."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_COLOURS: Final = (
    ("#4c2fb0", "#e9e3ff"), ("#1b5790", "#e0effb"), ("#14623a", "#dff3e7"), ("#7d3c00", "#fcecd9"),
    ("#94163f", "#fde4eb"), ("#0f5c63", "#dcf2f3"), ("#6a2a86", "#f4e4fa"), ("#4d5510", "#f0f3d6"),
)  # fmt: skip
"""Ink and ground; contrast of 4.5 and more."""
_WORD: Final = re.compile(r"[^\W_]+")


def monogram(slug: str) -> str:
    """An SVG picture of 96 by 96, always the same for a service."""
    ink, ground = _COLOURS[hashlib.sha256(slug.encode()).digest()[0] % len(_COLOURS)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">'
        f'<rect width="96" height="96" rx="20" fill="{ground}"/>'
        f'<text x="48" y="50" fill="{ink}" font-family="system-ui, sans-serif" font-size="40" font-weight="700"'
        f' text-anchor="middle" dominant-baseline="central">{_letters(slug)}</text></svg>'
    )


def _letters(slug: str) -> str:
    """`AC` for acme-cache, `Po` for postgres: never a sign that could mean something in XML."""
    found = _WORD.findall(slug)
    if len(found) > 1:
        return "".join(word[0].upper() for word in found[:2])
    return found[0][:2].capitalize() if found else ""
