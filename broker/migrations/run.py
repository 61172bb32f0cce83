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

LOCK: Final = 0x61646462
"""Advisory lock of whoever changes the schema, "addb": any constant that no other program of this database uses."""

VERSIONS: Final = Path(__file__).parent / "versions"
_LOCK_TIMEOUT: Final = "15s"


class SchemaTooNew(Exception):
    """The database was migrated by a later release."""


class MigrationFailed(Exception):
    """A migration could not be done; the database is as it was. The message says what to do."""


def upgrade(database_url: str, revision: str = "head", versions: Path = VERSIONS) -> None:
    """Migrate up to `revision`. Safe to call from many processes at once: one works, the others wait and find it done.

    Transactions: all migrations run in one; if one fails, the old schema stays as it was.
    Raises: SchemaTooNew if the database is ahead of this code; MigrationFailed.
    """
    engine = create_engine(make_url(libpq_url(database_url)).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": LOCK})
        connection.commit()
        try:
            # Set after the advisory lock, which may well be waited for: a table in use shall not block everybody behind us.
            connection.execute(text(f"set lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.commit()
            _upgrade(connection, revision, configuration(versions))
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()


def _upgrade(connection: Connection, revision: str, config: Config) -> None:
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
    try:
        command.upgrade(config, revision)
        connection.commit()
    except Exception as error:  # migrations are arbitrary code, and whatever stops one is told in the same way
        connection.rollback()
        raise MigrationFailed(
            f"The schema could not be brought from revision {current or 'none'} to {revision}: {_reason(error)}. Nothing was"
            " changed: the release that ran until now still works on this database. Start that one, remove the cause and"
            " start this release again."
        ) from error


def _reason(error: Exception) -> str:
    """What the server or the migration said, without statement and values."""
    origin = getattr(error, "orig", None) or error
    said = getattr(getattr(origin, "diag", None), "message_primary", None) or str(origin)
    return (said.splitlines() or [type(origin).__name__])[0].rstrip(".")


def known_revisions() -> set[str]:
    """The schema revisions that this release can work up from."""
    return {item.revision for item in ScriptDirectory.from_config(configuration()).walk_revisions()}


def configuration(versions: Path = VERSIONS) -> Config:
    """Alembic's configuration, without any file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    if versions != VERSIONS:
        config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    return config
