"""A private PostgreSQL server as a child process: TCP on loopback only, scram passwords, a data directory of its own.

Finding the programs is `embedded.binaries`; databases, roles and SQL are the caller's.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from embedded.binaries import find_binaries, major_version
from embedded.processes import (
    LOOPBACK,
    Account,
    EngineError,
    die_with_parent,
    open_log,
    port_is_free,
    tail,
    unprivileged,
)

__all__ = ["PostgresServer", "find_binaries", "initialise", "launch", "start"]

SUPERUSER = "postgres"

# Statements and row values are kept out of the log: they may carry passwords.
_DEFAULTS = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
_POLL_S = 0.02
_ORPHAN_WAIT_S = 10.0
_READY_LINE = 7  # of postmaster.pid, counted from 0


class PostgresServer:
    """A server process, the directory it serves and the port it listens on."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, port: int) -> None:
        self.process = process
        self.data = data
        self.port = port

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def accepts(self) -> bool:
        """Whether it takes connections now: it then writes "ready" into its pid file, as pg_ctl expects, too."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _READY_LINE and lines[0] == str(self.pid) and lines[_READY_LINE].strip() == "ready"

    def stop(self, timeout_s: float = 8) -> None:
        """End every session and stop; harder when that takes longer than `timeout_s`. Safe to repeat."""
        for severity, wait_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 1.0), (signal.SIGKILL, None)):
            if not self.alive():
                return
            self.process.send_signal(severity)
            try:
                self.process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue


def initialise(data: Path, password: str) -> None:
    """Make a cluster in `data` with the superuser "postgres"; returns at once when there is one.

    Interrupted at any point it leaves nothing that a later call would take for a cluster.

    Raises: EngineError when the directory holds something else, or initdb fails.
    """
    if (data / "PG_VERSION").exists():
        return
    if data.exists() and any(data.iterdir()):
        raise EngineError(f"{data} is not empty and not a PostgreSQL data directory; choose another directory.")
    account, stage = unprivileged(), data.with_name(data.name + ".new")
    shutil.rmtree(stage, ignore_errors=True)
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage.mkdir(mode=0o700)
    try:
        account.own(stage)
        _initdb(stage, password, account)
        stage.rename(data)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def start(
    data: Path, port: int, *, settings: Mapping[str, str] | None = None, log: Path | None = None, timeout_s: float = 30
) -> PostgresServer:
    """`launch`, and wait until the server accepts connections.

    Raises: EngineError when the port is taken, the directory belongs to another version, or the server does not start.
    """
    log = log or data / "server.log"
    server = launch(data, port, settings=settings, log=log)
    deadline = time.monotonic() + timeout_s
    while not server.accepts():
        if not server.alive() or time.monotonic() > deadline:
            server.stop(timeout_s=1)
            raise EngineError(f"PostgreSQL in {data} did not start. The end of {log}:\n{tail(log)}")
        time.sleep(_POLL_S)
    return server


def launch(
    data: Path, port: int, *, settings: Mapping[str, str] | None = None, log: Path | None = None
) -> PostgresServer:
    """Start the server of an initialised directory without waiting for it.

    Call it in the main thread: only then the server stops when we are killed (Linux). A server of a parent that was
    killed is stopped first; the caller makes sure that no living broker uses the directory.
    `log` is the server's own log, by default `server.log` in the data directory.

    Raises: EngineError when the port is taken, or the directory belongs to another version.
    """
    binaries = find_binaries()
    _check_version(data, major_version(binaries))
    stop_orphan(data)
    if not port_is_free(port):
        raise EngineError(f"Port {port} on {LOOPBACK} is used by another program; PostgreSQL in {data} needs it.")
    return PostgresServer(_spawn(binaries, data, port, settings or {}, log or data / "server.log"), data, port)


def stop_orphan(data: Path) -> None:
    """Stop the server that a killed parent left running on `data`, and disarm a pid file that names a stranger.

    Raises: EngineError when that server does not stop.
    """
    pid = _recorded_pid(data)
    if pid is None or not _exists(pid):
        return  # PostgreSQL itself recovers from the pid file of a dead process
    if not _serves(pid, data):
        _disarm(data / "postmaster.pid")
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _ORPHAN_WAIT_S
    while _exists(pid) and _serves(pid, data):
        if time.monotonic() > deadline:
            raise EngineError(f"A PostgreSQL server (process {pid}) still uses {data} and does not stop; end it first.")
        time.sleep(_POLL_S)


def _initdb(folder: Path, password: str, account: Account) -> None:
    command = [str(find_binaries() / "initdb"), "-D", _reachable(folder, account), "-U", SUPERUSER, "-E", "UTF8"]
    command += ["--locale-provider=builtin", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"]
    with tempfile.TemporaryFile() as secret:  # has no name, so that it cannot be left behind or read by others
        secret.write(password.encode() + b"\n")
        secret.flush()
        account.own(secret.fileno())
        made = subprocess.run(
            [*command, f"--pwfile=/dev/fd/{secret.fileno()}"],
            cwd=folder,
            pass_fds=[secret.fileno()],
            capture_output=True,
            text=True,
            env=_environment(),
            **account.popen(),
        )
    if made.returncode != 0:
        raise EngineError(f"initdb failed in {folder}:\n{made.stderr.strip()}")


def _spawn(binaries: Path, data: Path, port: int, settings: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    account = unprivileged(owner_of=data)
    fixed = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    command = [str(binaries / "postgres"), "-D", _reachable(data, account)]
    for name, value in {**_DEFAULTS, **settings, **fixed}.items():
        command += ["-c", f"{name}={value}"]
    with open_log(log) as sink:
        return subprocess.Popen(
            command,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in a terminal is for us; we stop the server in our own time
            preexec_fn=die_with_parent(signal.SIGINT),  # PostgreSQL's "fast shutdown"
            **account.popen(),
        )


def _reachable(folder: Path, account: Account) -> str:
    """How the child, started with `folder` as its working directory, may name it.

    Below a directory closed to its account (root's home, a private temporary directory) the child could not walk to
    the path, and opening up directories that are not ours is not our business. But it already stands in the folder
    (Popen changes directory before it changes the user), and on Linux that place has a name.
    """
    if account.can_reach(folder):
        return str(folder.resolve())
    if Path("/proc/self/cwd").exists():
        return "/proc/self/cwd"
    raise EngineError(
        f"PostgreSQL runs under the account with uid {account.uid}, which cannot reach {folder}: a directory above it "
        "is closed to others. Choose a home elsewhere, or start as an ordinary user."
    )


def _environment() -> dict[str, str]:
    """Ours without what would change the server's behaviour, or tell it our secrets."""
    return {name: os.environ[name] for name in ("PATH", "TZ", "LD_LIBRARY_PATH") if name in os.environ} | {
        "LC_ALL": "C"
    }


def _check_version(data: Path, ours: int) -> None:
    try:
        theirs = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EngineError(f"{data} is not a PostgreSQL data directory; initialise it first.") from None
    if theirs != str(ours):
        raise EngineError(
            f"{data} was made by PostgreSQL {theirs}, but this is PostgreSQL {ours}. Either set PGBIN to the programs "
            f"of version {theirs}, or carry the data over with pg_upgrade, or with pg_dump there and pg_restore here."
        )


def _recorded_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is a PostgreSQL server on `data`, not a stranger that was given the number later."""
    place = Path(f"/proc/{pid}/cwd")
    if Path("/proc/self/cwd").exists():
        try:
            return place.resolve(strict=True) == data.resolve()
        except OSError:
            return False
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return "postgres" in shown and str(data.resolve()) in shown


def _disarm(pid_file: Path) -> None:
    """Write our pid over the stranger's: the server treats its own parent's number as stale.

    Removing the file would also remove the server's check for shared memory that is still in use.
    """
    lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
