"""Backup and restore of the broker's database in a home of `broker up`. What providers keep in the home is not in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from broker.backup.keys import Keys, read_key_file
from broker.backup.read import Progress, checked
from broker.backup.restore import Restored, restore
from broker.backup.write import Written, back_up
from broker.local.database import Database
from broker.local.home import Home, HomeError, HomeInUse, default_home, opened
from embedded import postgres


def backup_of_home(path: Path | None, file: Path, passphrase: bytes | None, progress: Progress) -> Written:
    """Back up a home, whether `broker up` runs on it or not.

    Raises: BackupError, HomeError, EngineError.
    """
    path = (path or default_home()).expanduser().absolute()
    if not (path / "postgres").exists():
        raise HomeError(f"There is no broker in {path}: choose its home with --home, or set DATABASE_URL.")
    with ExitStack() as stack:
        try:
            home = stack.enter_context(opened(path))
        except HomeInUse:
            home = Home(path)  # `broker up` has the database running
        else:
            stack.enter_context(_started(home))
        return back_up(Database(home).url, _keys(home, passphrase), file, progress)


def restore_into_home(
    path: Path | None, file: Path, passphrase: bytes | None, *, force: bool, check_only: bool, progress: Progress
) -> Restored:
    """Restore into a home on which nothing runs, making it if it is new; with `check_only` the file is looked at alone.

    Raises: BackupError, HomeError, EngineError.
    """
    path = (path or default_home()).expanduser().absolute()
    if check_only:
        with checked(file, Keys(read_key_file(path / "secret.key"), None, passphrase), progress) as backup:
            return Restored(backup.manifest, replaced=False, keys_added=0)
    with opened(path) as home:
        keys = _keys(home, passphrase)
        with checked(file, keys, progress) as backup:
            Database(home).initialise()
            with _started(home):
                return restore(backup, Database(home).url, keys, force=force, progress=progress)


def _keys(home: Home, passphrase: bytes | None) -> Keys:
    return Keys(read_key_file(home.secret_key), home.secret_key, passphrase)


@contextmanager
def _started(home: Home) -> Iterator[None]:
    """The home's own PostgreSQL, with the broker's role and database, as long as the block takes."""
    database = Database(home)
    server = postgres.start(home.database, database.port, log=home.log("database"))
    try:
        database.prepare()
        yield
    finally:
        server.stop()
