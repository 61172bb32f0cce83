"""Putting a checked backup into a database: everything in one transaction, so that a failure leaves the old state."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from psycopg import sql

from broker.backup.errors import BackupError
from broker.backup.keys import Keys, adopt
from broker.backup.manifest import TABLES, Manifest, Session
from broker.backup.read import Backup, Progress, feed
from broker.backup.tools import Tool, connected, running
from broker.migrations.run import LOCK, MigrationFailed, known_revisions, upgrade

_PSQL: Final = ("-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse")
_RESTORE: Final = ("--schema=public", "--no-owner", "--no-privileges", "--exit-on-error", "-f", "-")
_COUNT: Final = sql.SQL("""
  if (select count(*) from public.{0}) <> {1} then
    raise exception 'table % does not have the rows of the manifest', {2};
  end if;
""")
_CLOSING: Final = sql.SQL("""
do $check$
begin
{0}
end $check$;
{1}
commit;
""")
_OURS: Final = {"alembic_version", "apps", "addons"}
_LEAVING_S: Final = 3.0

# What columns own goes with them. What extensions own stays, and so does the schema itself with its owner and grants, which we may not be able to remake.
_CLEAR: Final = r"""
do $clear$
declare statement text;
begin
  for statement in
    select format('drop %s if exists public.%I cascade',
                  case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                       when 'f' then 'foreign table' else 'table' end, relname)
    from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid
                      and (deptype in ('e', 'i') or deptype = 'a' and relkind = 'S'))
  loop execute statement; end loop;
  for statement in
    select format('drop routine if exists %s cascade', oid::regprocedure)
    from pg_proc p where pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = p.oid and deptype = 'e')
  loop execute statement; end loop;
  for statement in
    select format('drop type if exists public.%I cascade', typname)
    from pg_type t where typnamespace = 'public'::regnamespace and typtype in ('e', 'd', 'c', 'r')
      and not exists (select from pg_depend where classid = 'pg_type'::regclass and objid = t.oid and deptype in ('e', 'i'))
  loop execute statement; end loop;
end $clear$;
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put into the database."""

    manifest: Manifest
    replaced: bool
    keys_added: int


def restore(backup: Backup, database_url: str, keys: Keys, *, force: bool, progress: Progress) -> Restored:
    """Fill an empty database from a backup, then bring it to this release's schema; `force` replaces a broker's.

    Transactions: one; nobody sees it half done, and if it fails the database is as it was.
    Raises: BackupError.
    """
    _check_revision(backup.manifest)
    with alone_on(database_url) as session:
        replaces = _check_target(session, force)
        added = adopt(backup.manifest.key_ids, keys, backup.carried_keys)
        _replay(backup, database_url, _CLEAR if replaces else "", progress)
    try:
        upgrade(database_url)
    except MigrationFailed as error:
        raise BackupError(
            f"The backup is restored, but could not be brought to this release's schema. {error}"
        ) from None
    return Restored(backup.manifest, replaces, added)


@contextmanager
def alone_on(database_url: str) -> Iterator[Session]:
    """A session on a database that no broker works with, nor begins to until the block ends.

    Raises: BackupError if other sessions do not leave.
    """
    with connected(database_url) as session:
        session.autocommit = True
        if session.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone() != (True,):
            raise BackupError("The database is being migrated by a broker that starts. Stop it first.")
        deadline = time.monotonic() + _LEAVING_S
        while others := _others(session):
            if time.monotonic() > deadline:
                raise BackupError(
                    f"The database is in use ({', '.join(others)}). Stop every `broker serve` and `broker worker`, and"
                    " close other sessions, then restore. Nothing was changed."
                )
            time.sleep(0.05)  # a program that was just stopped may still be taking its leave
        yield session


def _others(session: Session) -> list[str]:
    found = session.execute(
        "select distinct coalesce(nullif(application_name, ''), 'a session without name') from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    return sorted(name for (name,) in found)


def _check_revision(manifest: Manifest) -> None:
    if manifest.schema_revision not in known_revisions():
        raise BackupError(
            f"This backup has schema revision {manifest.schema_revision}, which this release does not know: it was made"
            f" with release {manifest.release}. Restore it with that release or a later one. Nothing was changed."
        )


def _check_target(session: Session, force: bool) -> bool:
    """Whether there is something to replace.

    Raises: BackupError if that was not asked for, or is no broker's.
    """
    tables = {name for (name,) in session.execute(TABLES)}
    if not tables:
        return False
    if not force:
        raise BackupError(
            "The database is not empty. Restore into an empty one, or replace everything in it with --force."
            " Nothing was changed."
        )
    if not tables >= _OURS:
        raise BackupError(
            f"The database holds tables that are no broker's ({', '.join(sorted(tables)[:3])}), which a restore would"
            " remove; not even with --force. Is DATABASE_URL right?"
        )
    return True


def _replay(backup: Backup, database_url: str, clear: str, progress: Progress) -> None:
    """Run the dump as a script between `begin` and `commit`. Whatever ends early, the server rolls back."""
    pipe = subprocess.PIPE
    with (
        running("psql", *_PSQL, database_url=database_url, stdin=pipe, stdout=subprocess.DEVNULL) as psql,
        running("pg_restore", *_RESTORE, stdin=pipe, stdout=pipe) as source,
    ):
        assert psql.process.stdin is not None
        try:
            psql.process.stdin.write(f"begin;\nset local lock_timeout = '10s';\n{clear}".encode())
            _pump(backup, source, psql.process.stdin, progress)
            psql.process.stdin.write(_closing(backup.manifest).encode())
            psql.process.stdin.close()
        except BrokenPipeError:  # it has ended at the first statement that failed, and tells below which
            psql.process.wait()
        if psql.process.wait() != 0:
            raise BackupError(f"The database refused the backup and is as it was before: {psql.complaint()}")


def _pump(backup: Backup, source: Tool, sink: IO[bytes], progress: Progress) -> None:
    """Dump → pg_restore → `sink`. Returns only if all of it was proven and written.

    Raises: BackupError, BrokenPipeError.
    """
    failed: list[BackupError] = []
    stdin, stdout = source.process.stdin, source.process.stdout
    assert stdin is not None
    assert stdout is not None

    def give() -> None:
        try:
            feed(backup, stdin, "Restoring", progress)
        except BackupError as error:
            failed.append(error)
            source.process.kill()

    giver = threading.Thread(target=give, name="dump", daemon=True)
    giver.start()
    try:
        while chunk := stdout.read1(1 << 16):  # type: ignore[attr-defined]  # a pipe is a BufferedReader
            sink.write(chunk)
    except BrokenPipeError:
        source.process.kill()
        raise
    finally:
        giver.join()
    if failed:
        raise failed[0]
    if source.process.wait() != 0:
        raise BackupError(f"pg_restore failed, and the database is as it was before: {source.complaint()}")


def _closing(manifest: Manifest) -> str:
    """Count again what the manifest counted, let the planner look, and only then commit."""
    counts = sql.SQL("").join(_COUNT.format(sql.Identifier(name), rows, name) for name, rows in manifest.tables.items())
    analyze = sql.SQL("").join(sql.SQL("analyze public.{};\n").format(sql.Identifier(name)) for name in manifest.tables)
    return _CLOSING.format(counts, analyze).as_string(None)
