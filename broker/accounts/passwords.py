"""Hashing and checking passwords: argon2id, in two threads at most, so that logins never take the machine."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from broker.kernel.errors import InvalidParams
from broker.kernel.secret import Secret

LONGEST: Final = 1024
"""Characters of a password that are looked at; longer ones are wrong without work."""

SHORTEST: Final = 10
_FEWEST_DIFFERENT: Final = 5
_FIRST_TRIES: Final = frozenset(
    "password passwort passw0rd password123 qwertyuiop qwerty123456 1234567890 12345678910 0123456789 abcdefghij"
    " iloveyou letmein welcome changeme administrator".split()
)

_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
_NOBODYS: Final = _hasher.hash("no account has this password hash")


def checked_password(password: Secret, email: str) -> Secret:
    """A new password, if it is good enough: long, and neither the address nor one that everybody tries first.

    Raises: InvalidParams. Source: NIST SP 800-63B, section 3.1.1.2 (length instead of kinds of characters).
    """
    text = password.reveal()
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidParams(
            f"password: must have between {SHORTEST} and {LONGEST} characters. Several words make a good one."
        )
    plain = text.casefold()
    if len(set(plain)) < _FEWEST_DIFFERENT or plain in (email.casefold(), email.casefold().partition("@")[0]):
        raise InvalidParams("password: is too easy to guess. Several words make a good one.")
    if plain.strip("0123456789!") in _FIRST_TRIES or plain in _FIRST_TRIES:
        raise InvalidParams("password: is one of those that are tried first. Several words make a good one.")
    return password


async def hash_password(password: Secret) -> str:
    """A salted hash in argon2's own notation."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password.reveal())


async def password_fits(hashed: str | None, password: Secret) -> bool:
    """Whether the password is the one that was hashed. Without a hash it takes as long and says no."""
    if len(password.reveal()) > LONGEST:
        return False
    fits = await asyncio.get_running_loop().run_in_executor(_threads, _fits, hashed or _NOBODYS, password.reveal())
    return fits and hashed is not None


def _fits(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
