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
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_at) WHERE state = 'queued';
"""


class Database:
    """One connection behind one lock. Its methods block: asynchronous callers go through ``asyncio.to_thread``.

    Transactions: ``transaction()`` commits at its end or rolls back whole, and a commit is on disk when it returns.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The -wal and -shm files take the mode of the main file, so it must be right before SQLite opens it.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection

    def give_back_space(self) -> None:
        """Return the pages that deleted messages left free to the file system."""
        with self._lock:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()
