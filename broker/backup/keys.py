"""Who can open a backup: the holder of the key-encryption keys, and of a passphrase if one was given.

With a passphrase the key-encryption keys themselves go along, sealed under it alone: then the file and the passphrase are
enough on a machine that has nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from broker.backup.container import Header
from broker.backup.errors import BackupError
from broker.kernel.files import replaced
from broker.kernel.vault import DataKey, KeyRing, SealBroken, Vault, key_id

_COST: Final = {"n": 1 << 17, "r": 8, "p": 1}
"""Of scrypt: 128 MiB and about half a second for each guess."""
_COST_LIMIT: Final = 1 << 22
_SHORTEST: Final = 12
_DAMAGED: Final = "The header of the backup has been changed or damaged. Nothing was restored; use another copy."


@dataclass(frozen=True, slots=True)
class Keys:
    """What a machine has to open backups with. `file` is where its key-encryption keys are kept, if in a file."""

    kept: Sequence[bytes] = field(repr=False)
    file: Path | None = None
    passphrase: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The key of one backup, and the key-encryption keys that came in it."""

    key: DataKey
    carried: Sequence[bytes] = field(repr=False)


def lock(backup_id: str, keys: Keys) -> tuple[DataKey, dict[str, Any]]:
    """A fresh key for a backup, and the header fields from which its holders find it again."""
    owner = _owner(backup_id)
    key, wrapped = Vault(KeyRing(lambda: keys.kept)).new_data_key(owner)
    fields: dict[str, Any] = {"key": {"id": key_id(keys.kept[0]).hex(), "wrapped": _text(wrapped)}}
    if keys.passphrase is not None:
        salt = os.urandom(16)
        derived = _derived(keys.passphrase, salt, _COST)
        rewrapped = Vault(KeyRing(lambda: [derived, *keys.kept])).rewrap(wrapped, owner)
        assert rewrapped is not None
        carried = DataKey(derived).seal(b"\n".join(map(base64.urlsafe_b64encode, keys.kept)), f"{owner}:keys")
        cost = {"salt": _text(salt), **_COST}
        fields["passphrase"] = {"scrypt": cost, "wrapped": _text(rewrapped), "keys": _text(carried)}
    return key, fields


def unlock(header: Header, keys: Keys) -> Unlocked:
    """Find the key of a backup: by the passphrase if there is one, else by the key-encryption keys.

    Raises: BackupError if neither fits.
    """
    try:
        owner = _owner(header.fields["id"])
        if keys.passphrase is None:
            return _by_keys(owner, header.fields["key"], keys.kept)
        if "passphrase" not in header.fields:
            raise BackupError("This backup was made without a passphrase; restore it without --passphrase-file.")
        return _by_passphrase(owner, header.fields["passphrase"], keys.passphrase)
    except (KeyError, TypeError, AttributeError, ValueError):  # the header is not proven before the first frame
        raise BackupError(_DAMAGED) from None


def adopt(needed: Sequence[str], keys: Keys, carried: Sequence[bytes]) -> int:
    """See to it that this machine has every key-encryption key of these ids, taking those that the backup carries.

    Answers how many were added to the key file, behind those that are there.
    Raises: BackupError if one is nowhere, or there is no key file to put it into.
    """
    here = {key_id(key).hex() for key in keys.kept}
    if missing := sorted(set(needed) - here - {key_id(key).hex() for key in carried}):
        raise BackupError(
            f"The secrets in this backup are sealed under key-encryption keys that are not here: {', '.join(missing)}."
            " Add the old keys to BROKER_SECRET_KEY or to the key file, or restore a backup that was made with"
            " --passphrase-file. Nothing was changed."
        )
    added = [key for key in carried if key_id(key).hex() in set(needed) - here or not keys.kept]
    if added:
        _add(added, keys.file)
    return len(added)


def _add(added: Sequence[bytes], path: Path | None) -> None:
    if path is None:
        raise BackupError(
            "The key-encryption keys of this backup are not those of BROKER_SECRET_KEY. Set BROKER_SECRET_KEY_FILE to a"
            " file instead: they are written into it. Nothing was changed."
        )
    there = path.read_bytes().split() if path.exists() else []
    with replaced(path) as file:
        file.write(b"".join(line + b"\n" for line in [*there, *map(base64.urlsafe_b64encode, added)]))


def read_passphrase(path: Path) -> bytes:
    """The first line of a file.

    Raises: BackupError if it cannot be read, or is too short to protect anything.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BackupError(f"The passphrase file {path} cannot be read: {error.strerror}.") from None
    passphrase = lines[0].strip() if lines else b""
    if len(passphrase) < _SHORTEST:
        raise BackupError(f"The first line of {path} is the passphrase and must have {_SHORTEST} characters or more.")
    return passphrase


def read_key_file(path: Path) -> list[bytes]:
    """The key-encryption keys in a key file, one a line; none if there is no such file.

    Raises: BackupError.
    """
    try:
        return [base64.b64decode(line, altchars=b"-_", validate=True) for line in path.read_bytes().split()]
    except FileNotFoundError:
        return []
    except (OSError, binascii.Error):
        raise BackupError(f"The key file {path} cannot be read.") from None


def _by_keys(owner: str, slot: Mapping[str, str], kept: Sequence[bytes]) -> Unlocked:
    if slot["id"] not in {key_id(key).hex() for key in kept}:
        raise BackupError(
            f"This backup opens with the key-encryption key {slot['id']}, which is not among the keys given here. Give the"
            " key that the broker had when the backup was made, or --passphrase-file if it was made with one."
        )
    try:
        return Unlocked(Vault(KeyRing(lambda: kept)).unwrap(_bytes(slot["wrapped"]), owner), ())
    except SealBroken:
        raise BackupError(_DAMAGED) from None


def _by_passphrase(owner: str, slot: Mapping[str, Any], passphrase: bytes) -> Unlocked:
    cost = slot["scrypt"]
    derived = _derived(passphrase, _bytes(cost["salt"]), cost)
    try:
        key = Vault(KeyRing(lambda: [derived])).unwrap(_bytes(slot["wrapped"]), owner)
        carried = DataKey(derived).open(_bytes(slot["keys"]), f"{owner}:keys")
    except SealBroken:
        raise BackupError("The passphrase does not open this backup, or its header was changed.") from None
    return Unlocked(key, [base64.urlsafe_b64decode(line) for line in carried.split()])


def _derived(passphrase: bytes, salt: bytes, cost: Mapping[str, Any]) -> bytes:
    n, r, p = (int(cost[name]) for name in ("n", "r", "p"))
    if not 0 < n * r * p <= _COST_LIMIT:  # whoever changed the header shall not make us fill the memory
        raise BackupError(_DAMAGED)
    return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, dklen=32, maxmem=256 * n * r * p)


def _owner(backup_id: str) -> str:
    return f"backups:{backup_id}"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
