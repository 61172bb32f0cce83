"""Codes of authenticator apps: six digits that change every thirty seconds. Pure.

Source: RFC 6238 with SHA-1, 6 digits and 30 seconds, which is what all such apps understand.
"""

from __future__ import annotations

import base64
import hmac
import os
from datetime import datetime
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

STEP_S: Final = 30
_DIGITS: Final = 6
_SKEW: Final = 1
"""How many steps the clock of a telephone may be off, either way."""


def new_secret() -> bytes:
    """160 random bits, as the RFC recommends."""
    return os.urandom(20)


def as_typed(secret: bytes) -> str:
    """The secret as people type it: base32 in groups of four."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def as_uri(secret: bytes, email: str, issuer: str) -> str:
    """What the QR code says. Source: the "Key Uri Format" of Google Authenticator."""
    label = f"{quote(issuer)}:{quote(email)}"
    return f"otpauth://totp/{label}?secret={base64.b32encode(secret).decode().rstrip('=')}&issuer={quote(issuer)}"


def code_at(secret: bytes, step: int) -> str:
    """The code of a step."""
    return HOTP(secret, _DIGITS, SHA1()).generate(step).decode()  # noqa: S303 - as the RFC and all apps have it


def step_of(instant: datetime) -> int:
    """In which step an instant is."""
    return int(instant.timestamp()) // STEP_S


def fitting_step(secret: bytes, code: str, now: datetime, after: int) -> int | None:
    """The step of which this is the code, among those of now that come `after` the last one that was taken."""
    digits = "".join(code.split())
    if len(digits) != _DIGITS or not digits.isascii():
        return None
    present, found = step_of(now), None
    for step in range(present - _SKEW, present + _SKEW + 1):
        if hmac.compare_digest(code_at(secret, step), digits) and step > after:
            found = step
    return found
