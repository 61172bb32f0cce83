"""Bringing a database to the schema of this release."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from broker.kernel.db import libpq_url

_LOCK: Final = 0x61646462  # "addb": any constant that no other program of this database uses


class SchemaTooNew(Exception):
    """The database was migrated by a later release."""


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to `revision`. Safe to call from many processes at once: one works, the others wait and find it done.

    Transactions: all migrations run in one; if one fails, the old schema stays as it was.
    Raises: SchemaTooNew if the database is ahead of this code.
    """
    engine = create_engine(make_url(libpq_url(database_url)).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            _upgrade(connection, revision)
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def _upgrade(connection: Connection, revision: str) -> None:
    config = configuration()
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {item.revision for item in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"the database is at revision {current}, which this release does not know: it was migrated by a later one."
            " Start that release, or restore a backup made before the upgrade."
        )
    if revision == "head" and current == script.get_current_head():
        return
    connection.rollback()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def configuration() -> Config:
    """Alembic's configuration, without any file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config
