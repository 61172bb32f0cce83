"""The resource store: which resources exist, on which plan, and which are gone. A small SQLite file, no secrets in it.

The calls run on the event loop: each is one indexed statement on a local file, microseconds to a few milliseconds,
and a provision makes three of them; a thread would cost more than it saves.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from providers.kit.service import Gone, Unknown

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    uuid TEXT PRIMARY KEY, manifest TEXT NOT NULL, plan TEXT NOT NULL, name TEXT NOT NULL, region TEXT NOT NULL,
    state TEXT NOT NULL, generation INTEGER NOT NULL DEFAULT 0, extra TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL, gone_at TEXT);
CREATE TABLE IF NOT EXISTS rotations (
    uuid TEXT NOT NULL, rotation TEXT NOT NULL, generation INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (uuid, rotation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sign_ons (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
"""
SELECT = """
SELECT resources.*, (SELECT coalesce(max(rotations.generation), 0) FROM rotations
                     WHERE rotations.uuid = resources.uuid AND revoked = 1) AS oldest
FROM resources
"""


class State(StrEnum):
    CREATING = "creating"
    ACTIVE = "active"
    GONE = "gone"


@dataclass(frozen=True)
class Resource:
    """One row. `generation` counts password rotations, of which those from `oldest` on work; `extra` is the provider's
    own, and holds no secret."""

    uuid: UUID
    manifest: str
    plan: str
    name: str
    region: str
    state: State
    generation: int
    extra: Mapping[str, Any]
    created_at: datetime
    oldest: int = 0

    @property
    def generations(self) -> range:
        """Those whose passwords work, the newest last."""
        return range(self.oldest, self.generation + 1)


class StoreInUse(Exception):
    """Another process has the store open; two on one home would take each other's engine away."""


class ResourceStore:
    """The resources of one provider program, which keeps the file to itself.

    Raises: StoreInUse.
    """

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise StoreInUse(f"{path} is in use: another provider runs on this home. Stop it first.") from None

    def close(self) -> None:
        self._db.close()

    def find(self, uuid: UUID) -> Resource | None:
        """The resource in any state, or nothing if it was never here."""
        row = self._db.execute(f"{SELECT} WHERE uuid = ?", (str(uuid),)).fetchone()
        return _resource(row) if row else None

    def get(self, uuid: UUID) -> Resource:
        """The resource, unless it is gone.

        Raises: Unknown, Gone.
        """
        resource = self.find(uuid)
        if resource is None:
            raise Unknown
        if resource.state is State.GONE:
            raise Gone
        return resource

    def all(self, *states: State) -> Iterator[Resource]:
        """The resources in these states (all but the gone ones, if none is named), oldest first."""
        wanted = states or (State.CREATING, State.ACTIVE)
        marks = ", ".join("?" * len(wanted))
        query = f"{SELECT} WHERE state IN ({marks}) ORDER BY created_at, uuid"
        return map(_resource, self._db.execute(query, wanted).fetchall())

    def create(self, uuid: UUID, manifest: str, plan: str, name: str, region: str, now: datetime) -> Resource:
        """Note the resource before anything is built, so that a crash leaves nothing unknown behind."""
        self._db.execute(
            "INSERT INTO resources (uuid, manifest, plan, name, region, state, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (str(uuid), manifest, plan, name, region, State.CREATING, _text(now)),
        )
        return self.get(uuid)

    def activate(self, uuid: UUID) -> None:
        self._update(uuid, "state = ?", State.ACTIVE)

    def set_plan(self, uuid: UUID, plan: str) -> None:
        self._update(uuid, "plan = ?", plan)

    def find_rotation(self, uuid: UUID, rotation: UUID) -> int | None:
        """The generation that this rotation has issued."""
        where = (str(uuid), str(rotation))
        found = self._db.execute("SELECT generation FROM rotations WHERE uuid = ? AND rotation = ?", where).fetchone()
        return found["generation"] if found else None

    def add_rotation(self, uuid: UUID, rotation: UUID, generation: int) -> None:
        """Remember what a rotation has issued, and that it is the resource's newest."""
        with self._db:
            self._db.execute("BEGIN")
            row = (str(uuid), str(rotation), generation)
            self._db.execute("INSERT INTO rotations (uuid, rotation, generation) VALUES (?, ?, ?)", row)
            self._update(uuid, "generation = ?", generation)

    def revoke_before(self, uuid: UUID, rotation: UUID) -> None:
        """Remember that nothing older than this rotation works."""
        where = (str(uuid), str(rotation))
        self._db.execute("UPDATE rotations SET revoked = 1 WHERE uuid = ? AND rotation = ?", where)

    def set_extra(self, uuid: UUID, extra: Mapping[str, Any]) -> None:
        self._update(uuid, "extra = ?", json.dumps(dict(extra)))

    def bury(self, uuid: UUID, now: datetime) -> None:
        """Leave only the tombstone, by which a late call is answered 410 instead of 404."""
        self._update(uuid, "state = ?, gone_at = ?, name = '', extra = '{}'", State.GONE, _text(now))
        self._db.execute("DELETE FROM rotations WHERE uuid = ?", (str(uuid),))

    def forget(self, uuid: UUID) -> None:
        """Remove the row of a resource that was never built."""
        self._db.execute("DELETE FROM resources WHERE uuid = ? AND state = ?", (str(uuid), State.CREATING))

    def first_use(self, key: str, now: int, expires_at: int) -> bool:
        """Whether this sign-on was not used before; remembers it until `expires_at`. Units: Unix seconds."""
        self._db.execute("DELETE FROM sign_ons WHERE expires_at < ?", (now,))
        added = self._db.execute("INSERT OR IGNORE INTO sign_ons VALUES (?, ?)", (key, expires_at))
        return added.rowcount == 1

    def _update(self, uuid: UUID, assignments: str, *values: object) -> None:
        statement = f"UPDATE resources SET {assignments} WHERE uuid = ?"  # noqa: S608 (literals of this class)
        self._db.execute(statement, (*values, str(uuid)))


def _resource(row: sqlite3.Row) -> Resource:
    return Resource(
        uuid=UUID(row["uuid"]),
        manifest=row["manifest"],
        plan=row["plan"],
        name=row["name"],
        region=row["region"],
        state=State(row["state"]),
        generation=row["generation"],
        extra=json.loads(row["extra"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        oldest=row["oldest"],
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
