"""Making a backup: one snapshot of the database, dumped, sealed, written, and read back before it gets its name."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from broker.backup import manifest
from broker.backup.container import CHUNK_BYTES, DATA, END, MAGIC, MANIFEST, FrameWriter
from broker.backup.errors import BackupError
from broker.backup.keys import Keys, lock
from broker.backup.manifest import Dump, Manifest
from broker.backup.read import Progress, checked
from broker.backup.tools import connected, running
from broker.kernel.clock import SystemClock, rfc3339
from broker.kernel.files import replaced
from broker.kernel.vault import key_id

_DUMP: Final = ("--format=custom", "--schema=public", "--no-privileges", "--lock-wait-timeout=30s", "-w")


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that was made and verified."""

    id: str
    file: Path
    bytes: int
    sha256: str
    manifest: Manifest
    carries_keys: bool


def back_up(database_url: str, keys: Keys, path: Path, progress: Progress) -> Written:
    """Write a verified backup to `path`, which appears only when it is whole. The broker may run meanwhile.

    Transactions: one that only reads, on an exported snapshot, so that the figures are those of the dump.
    Raises: BackupError; an older file of that name is then as it was.
    """
    path = path.expanduser().absolute()
    _check_place(path)
    if not keys.kept:
        raise BackupError("There is no key-encryption key here; put the key file back into its place.")
    backup_id = str(uuid.uuid4())
    key, slots = lock(backup_id, keys)

    def check(file: Path) -> None:
        with checked(file, keys, progress):
            return

    try:
        with replaced(path, check) as out, connected(database_url) as session:
            session.execute("set transaction isolation level repeatable read, read only")
            session.execute("set local idle_in_transaction_session_timeout = 0")
            snapshot = session.execute("select pg_export_snapshot()").fetchone()
            assert snapshot is not None
            created_at = rfc3339(SystemClock().now())
            told = manifest.take(session, created_at, version("addon-broker"))
            _check_keys(told, keys)
            frames = FrameWriter(out, key, {"id": backup_id, "created_at": created_at, **slots})
            frames.write(MANIFEST, told.encoded())
            dump = _dump(database_url, snapshot[0], frames, progress)
            frames.write(END, dump.encoded())
    except OSError as error:
        raise BackupError(f"The backup cannot be written to {path}: {error.strerror}.") from None
    return Written(backup_id, path, path.stat().st_size, dump.sha256, told, keys.passphrase is not None)


def _dump(database_url: str, snapshot: str, frames: FrameWriter, progress: Progress) -> Dump:
    digest, size = hashlib.sha256(), 0
    arguments = [*_DUMP, f"--snapshot={snapshot}"]
    with running("pg_dump", *arguments, database_url=database_url, stdout=subprocess.PIPE) as tool:
        assert tool.process.stdout is not None
        while chunk := tool.process.stdout.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            frames.write(DATA, chunk)
            progress("Dumping", size)
        if tool.process.wait() != 0:
            raise BackupError(f"The database could not be dumped: {tool.complaint()}")
    return Dump(size, digest.hexdigest())


def _check_keys(told: Manifest, keys: Keys) -> None:
    """Go on only if the keys of this machine are all that the secrets in the backup will need.

    Raises: BackupError.
    """
    if strange := sorted(set(told.key_ids) - {key_id(key).hex() for key in keys.kept}):
        raise BackupError(
            f"The database has secrets under key-encryption keys that are not given here: {', '.join(strange)}. If the keys"
            " were being rotated at this moment, run it again; else give the keys that the broker has."
        )


def _check_place(path: Path) -> None:
    """Replace nothing but an older backup.

    Raises: BackupError.
    """
    if not path.parent.is_dir():
        raise BackupError(f"The directory {path.parent} does not exist.")
    if path.exists():
        start = b""
        with suppress(OSError), path.open("rb") as file:
            start = file.read(len(MAGIC))
        if start != MAGIC:
            raise BackupError(f"{path} exists and is not a backup; it is left alone. Choose another name.")
