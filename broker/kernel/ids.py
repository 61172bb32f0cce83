"""Ids: UUIDs of version 7, made by the broker so that a row's ciphertexts can be bound to its id before it is stored."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits, so that ids sort by age.

    Source: RFC 9562, section 5.7.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def as_uuid(text: str) -> UUID | None:
    """The UUID that `text` spells in its canonical form, else None (so that names never pass for ids)."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
