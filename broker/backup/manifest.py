"""What a backup says about itself: schema revision, rows of every table, keys that its secrets are sealed under."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection, sql

from broker.backup.errors import BackupError
from broker.metadata import metadata

Session = Connection[tuple[Any, ...]]

TABLES = """
select c.relname from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relname
"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first frame of a backup. `key_ids` name the key-encryption keys without which its secrets stay shut."""

    created_at: str
    release: str
    schema_revision: str
    tables: Mapping[str, int]
    key_ids: Sequence[str]

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def decoded(content: bytes) -> Manifest:
    """The manifest in a frame that has been opened, hence is what we wrote."""
    return Manifest(**json.loads(content))


@dataclass(frozen=True, slots=True)
class Dump:
    """The last frame: what all data frames together must be.

    Units: bytes.
    """

    size: int
    sha256: str

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def take(session: Session, created_at: str, release: str) -> Manifest:
    """Describe the database as the session's snapshot shows it. Locks every table against changes of its form.

    Raises: BackupError if it is no broker's.
    """
    tables = [name for (name,) in session.execute(TABLES)]
    if "alembic_version" not in tables:
        raise BackupError("This database holds no broker: `broker migrate` was never run on it.")
    rows = {name: _count(session, name) for name in tables}
    found = session.execute("select version_num from public.alembic_version").fetchone()
    if found is None:
        raise BackupError("This database does not say which schema revision it has.")
    return Manifest(created_at, release, str(found[0]), rows, _key_ids(session))


def _count(session: Session, table: str) -> int:
    found = session.execute(sql.SQL("select count(*) from public.{}").format(sql.Identifier(table))).fetchone()
    assert found is not None
    return int(found[0])


def _key_ids(session: Session) -> list[str]:
    """Of the columns that hold wrapped keys, those that the schema of this moment has."""
    present = set(session.execute("select table_name, column_name from information_schema.columns"))
    ids: set[str] = set()
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.info.get("wrapped_key") and (table.name, column.name) in present:
                ids |= _key_ids_of(session, table.name, column.name)
    return sorted(ids)


def _key_ids_of(session: Session, table: str, column: str) -> set[str]:
    query = sql.SQL("select distinct encode(substr({1}, 2, 4), 'hex') from public.{0} where {1} is not null")
    return {row[0] for row in session.execute(query.format(sql.Identifier(table), sql.Identifier(column)))}
