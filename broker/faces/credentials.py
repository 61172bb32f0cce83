"""Reading the `Authorization` header: Bearer tokens, and Basic with a token or a password as the password."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from broker.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who sends it. Bearer has no user name."""

    user: str | None
    secret: Secret


def parse(header: str | None) -> Credentials | None:
    """The credentials, or None if there are none that can be understood."""
    scheme, _, rest = (header or "").partition(" ")
    rest = rest.strip()
    if scheme.lower() in ("bearer", "token") and rest:
        return Credentials(None, Secret(rest))
    if scheme.lower() == "basic" and rest:
        return _basic(rest)
    return None


def _basic(encoded: str) -> Credentials | None:
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Credentials(user, Secret(password)) if colon else None
