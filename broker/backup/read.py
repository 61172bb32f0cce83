"""Reading a backup and proving it whole, without touching any database."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from broker.backup.container import DATA, END, MANIFEST, read_frames, read_header
from broker.backup.errors import BackupError
from broker.backup.keys import Keys, Unlocked, unlock
from broker.backup.manifest import Dump, Manifest, decoded
from broker.backup.tools import running

Progress = Callable[[str, int], None]
"""Told what is done and how many bytes of the dump it has come to."""

_AMISS = "The backup is not what its manifest says: {}. Nothing was restored; use another copy."


class Backup:
    """An open backup that has been read once to its end and found right."""

    def __init__(self, file: BinaryIO, unlocked: Unlocked) -> None:
        self._file = file
        self._unlocked = unlocked
        self.carried_keys = unlocked.carried
        self.manifest = self._read_manifest()

    def dump(self) -> Iterator[bytes]:
        """The dump from its beginning, in parts; a file that has changed since it was checked is noticed again.

        Raises: BackupError.
        """
        digest, size = hashlib.sha256(), 0
        for kind, content in read_frames(self._file, self._unlocked.key):
            if kind == DATA:
                digest.update(content)
                size += len(content)
                yield content
            elif kind == END and Dump(**json.loads(content)) != Dump(size, digest.hexdigest()):
                raise BackupError(_AMISS.format("the digest of the dump differs"))

    def _read_manifest(self) -> Manifest:
        kind, content = next(read_frames(self._file, self._unlocked.key))
        if kind != MANIFEST:
            raise BackupError(_AMISS.format("it does not begin with one"))
        return decoded(content)


@contextmanager
def checked(path: Path, keys: Keys, progress: Progress) -> Iterator[Backup]:
    """Open a backup and read it whole: every part opens, the digest is right, every table is in the dump.

    Raises: BackupError.
    """
    try:
        file = path.expanduser().open("rb")
    except OSError as error:
        raise BackupError(f"The backup {path} cannot be read: {error.strerror}.") from None
    with file:
        backup = Backup(file, unlock(read_header(file), keys))
        contents = _contents(backup, progress)
        if missing := [name for name in backup.manifest.tables if f" TABLE DATA public {name} " not in contents]:
            raise BackupError(_AMISS.format(f"the dump lacks {', '.join(missing)}"))
        yield backup


def _contents(backup: Backup, progress: Progress) -> str:
    """pg_restore's list of what the dump holds. It reads only the beginning; we read on to the end."""
    with tempfile.TemporaryFile() as listed:
        with running("pg_restore", "--list", stdin=subprocess.PIPE, stdout=listed) as tool:
            assert tool.process.stdin is not None
            feed(backup, tool.process.stdin, "Checking", progress)
            if tool.process.wait() != 0:
                raise BackupError(_AMISS.format(f"pg_restore does not read it ({tool.complaint()})"))
        listed.seek(0)
        return listed.read().decode(errors="replace")


def feed(backup: Backup, sink: IO[bytes], what: str, progress: Progress) -> None:
    """Give the dump to a program and close its input; the dump is read to its end even if the program is not."""
    size, reading = 0, True
    for part in backup.dump():
        size += len(part)
        progress(what, size)
        if reading:
            try:
                sink.write(part)
            except BrokenPipeError:
                reading = False
    try:
        sink.close()
    except BrokenPipeError:
        return
