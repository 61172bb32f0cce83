"""What every engine needs from the operating system: an account without power, ports, a tie to the parent, log files.

Nothing here knows which engine is started.
"""

import ctypes
import os
import pwd
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

LOOPBACK = "127.0.0.1"
LOG_CAP_BYTES = 10 * 1024 * 1024

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EngineError(RuntimeError):
    """An engine cannot be found, prepared or started; the message says what to do about it."""


@dataclass(frozen=True)
class Account:
    """The operating-system account an engine runs under; without ids it is our own."""

    uid: int | None = None
    gid: int | None = None

    def popen(self) -> dict[str, Any]:
        """Keyword arguments that make `subprocess.Popen` run the child under this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, target: Path | int) -> None:
        """Give a file of ours, or an open one by its descriptor, to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(target, self.uid, self.gid)

    def can_reach(self, folder: Path) -> bool:
        """Whether this account may walk down to `folder`, judged by the mode bits of each directory on the way."""
        if self.uid is None:
            return True
        return all(self._may_enter(step.stat()) for step in folder.resolve().parents)

    def _may_enter(self, found: os.stat_result) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)


def unprivileged(owner_of: Path | None = None) -> Account:
    """The account for an engine that refuses to run as root: our own, unless we are root.

    As root it is the owner of `owner_of` where that exists and is not root's (a home made by an ordinary user and
    started by root stays that user's), otherwise the system's "postgres" or "nobody".

    Raises: EngineError when the system has neither.
    """
    if os.geteuid() != 0:
        return Account()
    if owner_of is not None and owner_of.exists():
        found = owner_of.stat()
        if found.st_uid != 0:
            return Account(found.st_uid, found.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EngineError(
        "This engine refuses to run as root, and the system has no account 'postgres' or 'nobody' to run it under. "
        "Create one of them, or start as an ordinary user."
    )


def die_with_parent(death_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that has the kernel send `death_signal` to the child when we die, however we die.

    None where that cannot be had: outside Linux, and outside the main thread (the kernel watches the thread that
    forked, so a child of a pool thread would be stopped when the pool lets that thread go).
    """
    libc = _libc
    if libc is None or threading.current_thread() is not threading.main_thread():
        return None
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # we died between fork and prctl: nobody would send the signal any more
            os._exit(1)

    return tie


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do it, so that connections of a server just stopped (TIME_WAIT) do not count as "taken".
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def open_log(path: Path) -> IO[bytes]:
    """Open a log file for appending, readable by us alone; one beyond the cap is set aside as `<name>.1` first.

    Units: the cap is LOG_CAP_BYTES.
    """
    if path.exists() and path.stat().st_size > LOG_CAP_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log file, for a message about why a child has stopped."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
