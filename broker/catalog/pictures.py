"""How large a picture is once it is unpacked, from its first bytes. A few of them can stand for gigabytes in whoever shows it."""

from __future__ import annotations

import struct
from typing import Final

_NO_FRAMES: Final = (0xC4, 0xC8, 0xCC)
"""Markers among those of frames that are none. Source: ITU T.81, table B.1."""


def size_of(kind: str, content: bytes) -> tuple[int, int] | None:
    """Width and height, or None if it is no picture of this kind. Units: pixels."""
    try:
        return {"image/png": _of_png, "image/jpeg": _of_jpeg, "image/webp": _of_webp}[kind](content)
    except (struct.error, IndexError):  # it ends before it says so
        return None


def _of_png(content: bytes) -> tuple[int, int] | None:
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _of_jpeg(content: bytes) -> tuple[int, int] | None:
    if content[:2] != b"\xff\xd8":
        return None
    place = 2
    while content[place] == 0xFF:
        marker, length = struct.unpack_from(">xBH", content, place)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 2 + max(length, 2)
    return None


def _of_webp(content: bytes) -> tuple[int, int] | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
