"""backup, restore: the broker's database in one encrypted file. The work is done by `broker.backup`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.cli.errors import CliError, Interrupted
from broker.cli.options import json_option
from broker.cli.output import note, say, say_json

if TYPE_CHECKING:
    from broker.backup.restore import Restored
    from broker.backup.write import Written

_NOT_IN_IT = "Not in it: what providers keep (tenants' databases, Redis data, mail). Back that up at the providers."
_AFTERWARDS = (
    "What providers keep is not restored: resources made or removed since the backup differ from what the broker believes"
    " now. Compare before you let users in."
)

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Home of `broker up`. [default: the database of DATABASE_URL if set, else the home per user]",
)
_passphrase = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File whose first line is a passphrase that opens the backup, too, and the keys in it.",
)


@click.command()
@_file
@_home
@_passphrase
@json_option
def backup(file: Path, home: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Write the broker's database to an encrypted, verified FILE, while it runs."""
    with _told(), _Reporter() as progress:
        passphrase = _read(passphrase_file)
        if _by_settings(home):
            from broker.backup.command import backup_of_settings

            written = backup_of_settings(file, passphrase, progress)
        else:
            from broker.local.backup import backup_of_home

            written = backup_of_home(home, file, passphrase, progress)
    _show_backup(written, as_json)


@click.command()
@_file
@_home
@_passphrase
@click.option("--force", is_flag=True, help="Replace everything in a database that is not empty.")
@click.option("--check", is_flag=True, help="Only check that FILE is whole and opens; touch no database.")
@json_option
def restore(
    file: Path, home: Path | None, passphrase_file: Path | None, force: bool, check: bool, as_json: bool
) -> None:
    """Put a backup into an empty database, after checking all of it."""
    with _told(), _Reporter() as progress:
        passphrase = _read(passphrase_file)
        if _by_settings(home):
            from broker.backup.command import restore_by_settings

            target = "the database of DATABASE_URL"
            restored = restore_by_settings(file, passphrase, force=force, check_only=check, progress=progress)
        else:
            from broker.local.backup import restore_into_home
            from broker.local.home import default_home

            target = f"the home {home or default_home()}"
            restored = restore_into_home(home, file, passphrase, force=force, check_only=check, progress=progress)
    _show_restored(restored, target, check, as_json)


def _by_settings(home: Path | None) -> bool:
    return home is None and "DATABASE_URL" in os.environ


def _read(passphrase_file: Path | None) -> bytes | None:
    from broker.backup.keys import read_passphrase

    return None if passphrase_file is None else read_passphrase(passphrase_file)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what can go wrong into a sentence for the user; being ended leaves no half-written file behind."""
    from broker.backup.errors import BackupError
    from broker.local.home import HomeError
    from embedded.processes import EngineError

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    except (BackupError, HomeError, EngineError) as error:
        raise CliError(str(error)) from None
    except KeyboardInterrupt:
        raise Interrupted("Interrupted before it was done.") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_backup(written: Written, as_json: bool) -> None:
    contents = written.manifest
    if as_json:
        say_json(
            {
                "id": written.id,
                "file": str(written.file),
                "bytes": written.bytes,
                "sha256": written.sha256,
                "carries_keys": written.carries_keys,
                **_described(contents),
            }
        )
        return
    say(f"{written.file}: {contents.rows} rows in {len(contents.tables)} tables, {_size(written.bytes)}, verified.")
    if written.carries_keys:
        note("It opens with the passphrase, and holds the key-encryption keys: the two are all that a restore needs.")
    else:
        keys = ", ".join(contents.key_ids) or "of the broker"
        note(f"It opens with the key-encryption key alone, which is not in it: keep a copy elsewhere (ids: {keys}).")
    note(_NOT_IN_IT)


def _show_restored(restored: Restored, target: str, check: bool, as_json: bool) -> None:
    contents = restored.manifest
    if as_json:
        done = {"restored": not check, "replaced": restored.replaced, "keys_added": restored.keys_added}
        say_json({**done, **_described(contents)})
        return
    told = f"{contents.rows} rows in {len(contents.tables)} tables, backed up at {contents.created_at}"
    if check:
        say(f"The backup is whole: {told}. Nothing was restored.")
        return
    say(f"Restored into {target}: {told}.")
    if restored.keys_added:
        note(f"Key-encryption keys added to the key file: {restored.keys_added}.")
    note(_AFTERWARDS)


def _described(contents: Any) -> dict[str, Any]:
    return {
        "created_at": contents.created_at,
        "release": contents.release,
        "schema_revision": contents.schema_revision,
        "key_ids": list(contents.key_ids),
        "tables": dict(contents.tables),
    }


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            break
        count, unit = count // 1000, {"bytes": "kB", "kB": "MB", "MB": "GB"}[unit]
    return f"{count} {unit}"


class _Reporter:
    """Says how far it is once that takes more than a second: in place on a terminal, elsewhere every ten seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._out = sys.stderr
        self._live = self._out.isatty()
        self._next = now() + 1
        self._shown = False

    def __enter__(self) -> _Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live and self._shown:
            self._out.write("\r\033[K")

    def __call__(self, what: str, done: int) -> None:
        if self._now() < self._next:
            return
        line = f"{what}... {_size(done)}"
        self._out.write(f"\r\033[K{line}" if self._live else f"{line}\n")
        self._out.flush()
        self._next, self._shown = self._now() + (0.2 if self._live else 10), True
