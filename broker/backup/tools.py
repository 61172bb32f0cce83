"""PostgreSQL's own programs: pg_dump, pg_restore, psql, and how they are told where the database is.

By their environment, never by arguments: those can be read by everybody on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import Conninfo

from broker.backup.errors import BackupError
from broker.kernel.db import libpq_url
from embedded.binaries import find_binaries
from embedded.processes import EngineError, die_with_parent

_KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")


class Tool:
    """One running program, with what it says kept aside (a pipe that nobody reads would stop it)."""

    def __init__(self, name: str, *arguments: str, database_url: str | None = None, **streams: Any) -> None:
        self.name = name
        program = find_tool(name)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `running`
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [program, *arguments],
            stderr=self._said,
            env=_environment(database_url),
            preexec_fn=die_with_parent(),
            **streams,
        )

    def end(self) -> None:
        """End it if it still runs. Safe to repeat."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._said.close()

    def complaint(self) -> str:
        """The first error that it told: of a statement that failed no values, only the reason."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()] or lines
        return told[0].strip() if told else f"{self.name} ended with status {self.process.returncode}"


@contextmanager
def running(name: str, *arguments: str, database_url: str | None = None, **streams: Any) -> Iterator[Tool]:
    """A program as long as the block takes."""
    tool = Tool(name, *arguments, database_url=database_url, **streams)
    try:
        yield tool
    finally:
        tool.end()


def find_tool(name: str) -> Path:
    """Where this program of PostgreSQL is.

    Raises: BackupError if it is not on this machine.
    """
    try:
        found: str | Path | None = find_binaries() / name
    except EngineError:
        found = None
    if found is None or not Path(found).is_file():
        found = shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is not on this machine. Install the client programs of PostgreSQL 18 or later, or set PGBIN to the"
            " directory that holds them."
        )
    return Path(found)


@contextmanager
def connected(database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection to the database, as long as the block takes; commits at its end.

    Raises: BackupError if it does not answer, or refuses a statement of the block.
    """
    try:
        connection = psycopg.connect(libpq_url(database_url), connect_timeout=10, application_name="broker-backup")
    except (psycopg.Error, ValueError):
        raise BackupError("The database cannot be reached; is it running, and is the URL right?") from None
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        raise BackupError(f"The database refused: {error.diag.message_primary or 'the connection was lost'}.") from None


def _environment(database_url: str | None) -> dict[str, str]:
    """Ours without what would change the program's behaviour, and the parts of the URL under libpq's names."""
    told = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}
    if database_url is not None:
        for option in Conninfo.parse(libpq_url(database_url).encode()):
            if option.envvar and option.val is not None:
                told[option.envvar.decode()] = option.val.decode()
    return told
