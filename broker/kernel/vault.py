"""Secrets at rest: AES-256-GCM envelopes. Key-encryption keys wrap data keys; data keys seal values.

Knows no table: callers name the row in the associated data, so that a ciphertext moved to another row does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from typing import Final, NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT: Final = b"\x01"
_NONCE: Final = 12
_KEY_ID: Final = 4
KEY_BYTES: Final = 32

WrappedKey = NewType("WrappedKey", bytes)
"""A data key under a key-encryption key: format byte, 4-byte key id, nonce, ciphertext. Safe to store."""


class SealBroken(Exception):
    """A ciphertext does not open: wrong key, wrong row, or changed bytes."""


class DataKey:
    """One data key in the clear: seals and opens the values of one owner."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, place: str) -> bytes:
        """Encrypt for one place: `table:row id:key name:version`."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plaintext, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises: SealBroken.
        """
        if sealed[:1] != _FORMAT:
            raise SealBroken(f"unknown format of the ciphertext at {place}")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], place.encode())
        except InvalidTag:
            raise SealBroken(f"the ciphertext at {place} does not open") from None


class KeyRing:
    """The key-encryption keys, first one primary. `load` is asked again when a key id is unknown or a rotation starts."""

    def __init__(self, load: Callable[[], Sequence[bytes]]) -> None:
        self._load = load
        self._keys: dict[bytes, bytes] = {}
        self._primary = b""
        self.reload()

    def reload(self) -> None:
        """Read the keys again, so that a running process learns of a rotation."""
        keys = self._load()
        if not keys:
            raise ValueError("there is no key-encryption key")
        self._keys = {key_id(key): key for key in keys}
        self._primary = key_id(keys[0])

    @property
    def primary(self) -> tuple[bytes, bytes]:
        return self._primary, self._keys[self._primary]

    def get(self, wanted: bytes) -> bytes:
        """The key with this id, looking again at the source before giving up."""
        if wanted not in self._keys:
            self.reload()
        if wanted not in self._keys:
            raise SealBroken("no key-encryption key fits; is the right BROKER_SECRET_KEY given?")
        return self._keys[wanted]

    def all(self) -> list[bytes]:
        return list(self._keys.values())


class Vault:
    """Makes, wraps and unwraps data keys, and derives signing keys for short-lived links."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def new_data_key(self, owner: str) -> tuple[DataKey, WrappedKey]:
        """A fresh data key for `owner` (`table:row id`), in the clear and wrapped.

        Looks for a new primary first: a key wrapped under one that is being retired could never be opened again.
        """
        self.ring.reload()
        key = os.urandom(KEY_BYTES)
        return DataKey(key), self._wrap(key, owner)

    def unwrap(self, wrapped: bytes, owner: str) -> DataKey:
        """The data key that was wrapped for `owner`.

        Raises: SealBroken.
        """
        return DataKey(self._unwrap(wrapped, owner))

    def rewrap(self, wrapped: bytes, owner: str) -> WrappedKey | None:
        """The same data key under the primary key-encryption key, or None if it is under it already."""
        if wrapped[1 : 1 + _KEY_ID] == self.ring.primary[0]:
            return None
        return self._wrap(self._unwrap(wrapped, owner), owner)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """A MAC under a key that is derived for one purpose from the primary key."""
        return _mac(self.ring.primary[1], purpose, message)

    def verify(self, purpose: str, message: bytes, signature: bytes) -> bool:
        """Whether any key of the ring signed this, in constant time each; the ring is read again before saying no."""
        if self._signed(purpose, message, signature):
            return True
        self.ring.reload()
        return self._signed(purpose, message, signature)

    def _signed(self, purpose: str, message: bytes, signature: bytes) -> bool:
        return any(hmac.compare_digest(_mac(key, purpose, message), signature) for key in self.ring.all())

    def _wrap(self, key: bytes, owner: str) -> WrappedKey:
        kid, kek = self.ring.primary
        nonce = os.urandom(_NONCE)
        return WrappedKey(_FORMAT + kid + nonce + AESGCM(kek).encrypt(nonce, key, owner.encode()))

    def _unwrap(self, wrapped: bytes, owner: str) -> bytes:
        kid, rest = wrapped[1 : 1 + _KEY_ID], wrapped[1 + _KEY_ID :]
        try:
            return AESGCM(self.ring.get(kid)).decrypt(rest[:_NONCE], rest[_NONCE:], owner.encode())
        except InvalidTag:
            raise SealBroken(f"the data key of {owner} does not open") from None


def key_id(key: bytes) -> bytes:
    """A short public name of a key-encryption key."""
    return hashlib.sha256(b"kek-id:" + key).digest()[:_KEY_ID]


def _mac(key: bytes, purpose: str, message: bytes) -> bytes:
    derived = hmac.digest(key, b"derive:" + purpose.encode(), "sha256")
    return hmac.digest(derived, message, "sha256")
