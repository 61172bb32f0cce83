"""Hashing and checking passwords: argon2id, in two threads at most, so that logins never take the machine."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from broker.kernel.secret import Secret

LONGEST: Final = 1024
"""Characters of a password that are looked at; longer ones are wrong without work."""

_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
_NOBODYS: Final = _hasher.hash("no account has this password hash")


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
