"""Looking for secrets where they must not be: the arguments of every process, every table, every file of a home."""

import base64
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

_EVERY_S = 0.01


def spellings(secret: str) -> list[bytes]:
    """The ways in which a careless program would write it down."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")]


def found_in(text: bytes, secrets: Mapping[str, str]) -> set[str]:
    """The labels of the secrets that occur in it, in any spelling."""
    return {label for label, secret in secrets.items() if any(form in text for form in spellings(secret))}


class Arguments:
    """The arguments of every process of this machine, looked at again and again."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    self.seen.add(Path("/proc", pid, "cmdline").read_bytes())
                except (FileNotFoundError, ProcessLookupError):
                    continue


def tables(url: str) -> Iterator[tuple[str, bytes]]:
    """Every table that the role can read, with all its rows as text (bytes as hexadecimal digits)."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, name in names:
            rows = sql.SQL("select coalesce(string_agg(t::text, e'\\n'), '') from {} t")
            [text] = connection.execute(rows.format(sql.Identifier(schema, name))).fetchone() or [""]
            yield name, text.encode()


def files(home: Path) -> Iterator[Path]:
    """Every regular file below a directory that lives long enough to be read."""
    for folder, _, names in os.walk(home):
        yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())
