"""Sizes of pictures, as the formats write them, and of what only pretends."""

import struct

import pytest

from broker.catalog.pictures import size_of

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 300, 200) + bytes(9)
JPEG = (
    b"\xff\xd8" + struct.pack(">BBH", 0xFF, 0xE0, 16) + bytes(14) + struct.pack(">BBHBHH", 0xFF, 0xC2, 17, 8, 200, 300)
)
VP8 = b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 300 | 0x4000, 200)
VP8L = b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 299 | 199 << 14)
VP8X = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (299).to_bytes(3, "little") + (199).to_bytes(3, "little")
PICTURES = [("png", PNG), ("jpeg", JPEG), ("webp", VP8), ("webp", VP8L), ("webp", VP8X)]


@pytest.mark.parametrize(("kind", "content"), PICTURES)
def test_each_format_says_how_large_it_is(kind: str, content: bytes) -> None:
    assert size_of(f"image/{kind}", content) == (300, 200)


@pytest.mark.parametrize(("kind", "content"), PICTURES)
def test_what_ends_too_soon_or_begins_otherwise_is_none(kind: str, content: bytes) -> None:
    for end in range(16):
        assert size_of(f"image/{kind}", content[:end]) is None
    for other in {"png", "jpeg", "webp"} - {kind}:
        assert size_of(f"image/{other}", content) is None
    assert size_of("image/jpeg", b"\xff\xd8" + b"\xff\xe0\0\0" * 9) is None
    assert size_of("image/webp", b"RIFF\0\0\0\0WEBPICCP" + bytes(30)) is None
