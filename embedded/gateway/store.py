"""What the gateway remembers: a SQLite file of its own. What is done together is kept together, or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_TABLES: Final = """
create table if not exists objects (id text primary key, kind text not null, data text not null, made integer not null);
create table if not exists keys (key text primary key, digest text not null, status integer not null, body text not null);
create table if not exists outbox (id text primary key, body text not null, due real not null, tries integer not null);
create table if not exists timers (id text primary key, due real not null, outcome text not null);
"""

Thing = dict[str, Any]


class Store:
    """One file, one process, one connection."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.execute("pragma journal_mode = wal")
        self._file.executescript(_TABLES)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything inside, or nothing."""
        self._file.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._file.execute("rollback")
            raise
        self._file.execute("end")

    def keep(self, thing: Thing) -> Thing:
        """Keep an object as it is now."""
        row = thing["id"], thing["object"], json.dumps(thing), thing.get("created", 0)
        self._file.execute("insert or replace into objects values (?, ?, ?, ?)", row)
        return thing

    def find(self, kind: str, id_: str) -> Thing | None:
        """The object of this kind with this id."""
        row = self._file.execute("select data from objects where id = ? and kind = ?", (id_, kind)).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str) -> list[Thing]:
        """Every object of this kind, the newest first."""
        rows = self._file.execute("select data from objects where kind = ? order by made desc, rowid desc", (kind,))
        return [json.loads(row[0]) for row in rows]

    def answer_to(self, key: str) -> tuple[str, int, Thing] | None:
        """What was answered to a request with this key: the digest of the request, the status, the body."""
        row = self._file.execute("select digest, status, body from keys where key = ?", (key,)).fetchone()
        return (row[0], row[1], json.loads(row[2])) if row else None

    def keep_answer(self, key: str, digest: str, status: int, body: Thing) -> None:
        self._file.execute("insert into keys values (?, ?, ?, ?)", (key, digest, status, json.dumps(body)))

    def tell(self, event: Thing, due: float) -> None:
        """Have a webhook sent."""
        self._file.execute("insert into outbox values (?, ?, ?, 0)", (event["id"], json.dumps(event), due))

    def untold(self, now: float) -> list[tuple[str, str, int]]:
        """The webhooks that are due: id, body, and how often each was tried."""
        rows = self._file.execute("select id, body, tries from outbox where due <= ? order by due, rowid", (now,))
        return rows.fetchall()

    def told(self, id_: str) -> None:
        self._file.execute("delete from outbox where id = ?", (id_,))

    def tell_again(self, id_: str, due: float) -> None:
        self._file.execute("update outbox set due = ?, tries = tries + 1 where id = ?", (due, id_))

    def later(self, id_: str, due: float, outcome: str) -> None:
        """Let a payment have its outcome after a while."""
        self._file.execute("insert into timers values (?, ?, ?)", (id_, due, outcome))

    def ripe(self, now: float) -> list[tuple[str, str]]:
        """The payments whose time has come, with their outcomes."""
        return self._file.execute("select id, outcome from timers where due <= ? order by due", (now,)).fetchall()

    def past(self, id_: str) -> None:
        self._file.execute("delete from timers where id = ?", (id_,))

    def close(self) -> None:
        self._file.close()
