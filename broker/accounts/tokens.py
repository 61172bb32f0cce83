"""API tokens: random, recognisable by their prefix, stored only as a hash with a hint."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from broker.kernel.secret import Secret

PREFIX: Final = "HRKU-"
ACCESS_PREFIX: Final = "HRKU-T-"
REFRESH_PREFIX: Final = "HRKU-R-"
CLIENT_PREFIX: Final = "HRKU-S-"
"""What third parties hold: access tokens, refresh tokens, and the secrets of OAuth clients."""
_HIDDEN: Final = "*" * 10


def new_token(prefix: str = PREFIX) -> Secret:
    """A fresh token: the prefix and 32 random bytes as 43 url-safe characters."""
    return Secret(prefix + secrets.token_urlsafe(32))


def token_hash(token: str) -> bytes:
    """What is stored of a token. A plain hash is enough: nobody guesses 32 random bytes."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def token_hint(token: Secret) -> str:
    """`HRKU-abc**********wxyz`: enough for its owner to recognise it, and for the Heroku CLI to find its own."""
    text = token.reveal()
    return f"{text[:8]}{_HIDDEN}{text[-4:]}"
