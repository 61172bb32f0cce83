"""Files for their owner alone, replaced as a whole. What stands in them is the callers'."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path, check: Callable[[Path], None] = lambda _: None) -> Iterator[BinaryIO]:
    """Write a file that appears under its name whole, on disk, and only if `check` lets it pass; else not at all.

    It belongs to its writer alone, or to the owner of the file that it replaces.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _keep_owner(path, file.fileno())
        check(Path(name))
        Path(name).replace(path)
        _sync(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, descriptor: int) -> None:
    if os.geteuid() == 0 and path.exists():
        found = path.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _sync(folder: Path) -> None:
    """The new name is on disk only when its directory is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
