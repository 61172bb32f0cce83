"""The provider's own key, and the secrets derived from it, so that no tenant's password is ever stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from uuid import UUID

KEY_BYTES = 32


class ProviderKey:
    """A key from which the secrets of all resources follow: whoever has it has them all."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A provider key is {KEY_BYTES} bytes long.")
        self._key = key

    @classmethod
    def load(cls, path: Path) -> ProviderKey:
        """The key in the file `path`, which is made at first use, readable by its owner alone.

        Raises: ValueError when the file holds something else.
        """
        if not path.exists():
            _write_once(path, secrets.token_bytes(KEY_BYTES))
        return cls(path.read_bytes())

    def derive(self, uuid: UUID, label: str, generation: int = 0) -> str:
        """A secret of 160 bits in 32 lower-case letters and digits; always the same for the same arguments.

        The next `generation` has nothing to do with the last: that is how a password is rotated.
        """
        return base64.b32encode(self.sign(f"{label}:{generation}:{uuid}".encode())[:20]).decode().lower()

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, hashlib.sha256)


def home_directory(path: Path) -> Path:
    """Make the provider's home, closed to other users."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _write_once(path: Path, content: bytes) -> None:
    """Write the file whole or not at all: a crash leaves no short key behind, a race is won by one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
