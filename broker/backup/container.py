"""The file format: a header in the clear, then frames, each sealed for its place.

    magic | length, header (JSON) | kind, length, sealed frame | ... | "E", length, sealed end

A frame opens only with the file's key, below this very header, at its number and with its kind, and the last one is of a
kind of its own: so nothing can be changed, left out, swapped, cut off or appended unnoticed. Who holds the key is
`keys.py`; what the frames mean is `manifest.py`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from broker.backup.errors import BackupError
from broker.kernel.vault import DataKey, SealBroken

FORMAT: Final = 1
CHUNK_BYTES: Final = 1 << 20
MANIFEST, DATA, END = b"M", b"D", b"E"

MAGIC: Final = b"addon-broker backup\n"
_HEADER_LENGTH: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">cI")
_HEADER_LIMIT: Final = 1 << 20
_FRAME_LIMIT: Final = CHUNK_BYTES + 1024

_CHANGED: Final = "The backup has been changed or damaged: {}. Nothing was restored; use another copy."


@dataclass(frozen=True, slots=True)
class Header:
    """What is readable without a key, and the digest that binds every frame to it."""

    fields: Mapping[str, Any]
    digest: str


class FrameWriter:
    """Writes the header, then frames in their order. The last one must be of kind END."""

    def __init__(self, out: BinaryIO, key: DataKey, fields: Mapping[str, Any]) -> None:
        text = json.dumps({"format": FORMAT, **fields}).encode()
        start = MAGIC + _HEADER_LENGTH.pack(len(text)) + text
        out.write(start)
        self._out, self._key, self._number = out, key, 0
        self._digest = hashlib.sha256(start).hexdigest()

    def write(self, kind: bytes, content: bytes) -> None:
        sealed = self._key.seal(content, _place(self._digest, self._number, kind))
        self._out.write(_FRAME.pack(kind, len(sealed)) + sealed)
        self._number += 1


def read_header(file: BinaryIO) -> Header:
    """The header of a backup, from the beginning of the file; nothing of it is proven yet.

    Raises: BackupError if it is none, or one of a later release.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise BackupError("This file is not a backup of this broker.")
    packed = file.read(_HEADER_LENGTH.size)
    length = _HEADER_LENGTH.unpack(packed)[0] if len(packed) == _HEADER_LENGTH.size else _HEADER_LIMIT + 1
    text = file.read(min(length, _HEADER_LIMIT))
    fields = _parsed(text) if len(text) == length else None
    if fields is None:
        raise BackupError(_CHANGED.format("its header cannot be read"))
    if fields.get("format") != FORMAT:
        raise BackupError(
            f"This backup has format {fields.get('format')}, and this release reads format {FORMAT}: it was made by another"
            " release. Restore it with that one."
        )
    return Header(fields, hashlib.sha256(MAGIC + packed + text).hexdigest())


def read_frames(file: BinaryIO, key: DataKey) -> Iterator[tuple[bytes, bytes]]:
    """Every frame, kind and content, from the beginning; the one of kind END is last and the file ends behind it.

    Raises: BackupError at the first frame that is not what was written.
    """
    digest, number, kind = read_header(file).digest, 0, b""
    while kind != END:
        kind, sealed = _frame(file)
        try:
            content = key.open(sealed, _place(digest, number, kind))
        except SealBroken:
            raise BackupError(_CHANGED.format(f"part {number} does not open")) from None
        number += 1
        yield kind, content
    if file.read(1):
        raise BackupError(_CHANGED.format("something was added behind its end"))


def _frame(file: BinaryIO) -> tuple[bytes, bytes]:
    kind, length = _FRAME.unpack(_exactly(file, _FRAME.size))
    if length > _FRAME_LIMIT:
        raise BackupError(_CHANGED.format("a part has an impossible size"))
    return kind, _exactly(file, length)


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise BackupError("The backup is cut short: its end is missing. Nothing was restored; use another copy.")
    return content


def _place(digest: str, number: int, kind: bytes) -> str:
    return f"backup:{digest}:{number}:{kind.hex()}"


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
