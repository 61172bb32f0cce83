"""The SQLite file of the mail provider: how it is opened, its schema, its transactions. Which rows mean what: its users."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS credentials (
    resource TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_sha256 BLOB NOT NULL UNIQUE,
    plan TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS passwords (
    sha256 BLOB PRIMARY KEY,
    resource TEXT NOT NULL REFERENCES credentials ON DELETE CASCADE,
    generation INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id TEXT NOT NULL UNIQUE,
    resource TEXT NOT NULL REFERENCES credentials ON DELETE CASCADE,
    received_at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    subject TEXT NOT NULL,
    author TEXT NOT NULL,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS messages_of_resource ON messages (resource, id);
CREATE TABLE IF NOT EXISTS contents (
    message INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    raw BLOB NOT NULL
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5(tenant, subject, people, body);
CREATE TRIGGER IF NOT EXISTS messages_leave_search AFTER DELETE ON messages
    BEGIN DELETE FROM search WHERE rowid = old.id; END;
CREATE TABLE IF NOT EXISTS sent (
    resource TEXT NOT NULL REFERENCES credentials ON DELETE CASCADE,
    day TEXT NOT NULL,
    mails INTEGER NOT NULL,
    PRIMARY KEY (resource, day)
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL,
    reply TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message, recipient)
) STRICT;
CREATE TABLE IF NOT EXISTS usage (
    resource TEXT NOT NULL,
    hour TEXT NOT NULL,
    mails INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    answer TEXT,
    PRIMARY KEY (resource, hour)
) STRICT;
CREATE INDEX IF NOT EXISTS usage_due ON usage (hour) WHERE answer IS NULL;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_at) WHERE state = 'queued';
"""


_PAGES_AT_ONCE = 20_000


class Database:
    """One connection that writes, behind a lock, and one that reads per thread. The methods block: asynchronous callers go through ``asyncio.to_thread``.

    Transactions: ``transaction()`` commits at its end or rolls back whole, and a commit is on disk when it returns.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The -wal and -shm files take the mode of the main file, so it must be right before SQLite opens it.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._lock = threading.Lock()
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._writer = self._connect()
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL"):
            self._writer.execute(f"PRAGMA {pragma}")
        self._writer.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread's own: readers wait for nobody, so a login is checked while a big mail is stored."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        yield self._local.connection

    def give_back_space(self) -> None:
        """Leave nothing of deleted messages in the files, and return some of the pages they left free."""
        with self._lock:
            self._writer.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
        self._open.append(connection)
        return connection
