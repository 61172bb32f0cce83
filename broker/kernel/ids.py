"""Ids: UUIDs of version 7, made by the broker so that a row's ciphertexts can be bound to its id before it is stored."""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 12 of their fraction, 62 random bits, so that ids sort by age.

    Source: RFC 9562, sections 5.7 and 6.2 (method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    chance = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | chance)


def as_uuid(text: str) -> UUID | None:
    """The UUID that `text` spells in its canonical form, else None (so that names never pass for ids)."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
