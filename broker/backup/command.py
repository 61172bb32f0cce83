"""Backup and restore of the database that the settings name. For a home of `broker up` see `broker.local.backup`."""

from __future__ import annotations

import os
from pathlib import Path

from broker.backup.errors import BackupError
from broker.backup.keys import Keys
from broker.backup.read import Progress, checked
from broker.backup.restore import Restored, restore
from broker.backup.write import Written, back_up
from broker.settings import SettingsError, load


def backup_of_settings(file: Path, passphrase: bytes | None, progress: Progress) -> Written:
    """Back up the database of DATABASE_URL.

    Raises: BackupError.
    """
    database_url, keys = _site(passphrase)
    return back_up(database_url, keys, file, progress)


def restore_by_settings(
    file: Path, passphrase: bytes | None, *, force: bool, check_only: bool, progress: Progress
) -> Restored:
    """Restore into the database of DATABASE_URL; with `check_only` nothing but the file is looked at.

    Raises: BackupError.
    """
    database_url, keys = _site(passphrase)
    with checked(file, keys, progress) as backup:
        if check_only:
            return Restored(backup.manifest, replaced=False, keys_added=0)
        return restore(backup, database_url, keys, force=force, progress=progress)


def _site(passphrase: bytes | None) -> tuple[str, Keys]:
    """The database, and the keys there are; a key file that is lost may come out of the backup."""
    if passphrase is not None and (lost := _lost_key_file()):
        return os.environ.get("DATABASE_URL", ""), Keys((), lost, passphrase)
    try:
        settings = load()
    except SettingsError as error:
        raise BackupError(str(error)) from None
    keys = Keys(tuple(settings.key_encryption_keys()), settings.secret_key_file, passphrase)
    return settings.database_url.get_secret_value(), keys


def _lost_key_file() -> Path | None:
    named = os.environ.get("BROKER_SECRET_KEY_FILE")
    return Path(named) if named and not Path(named).exists() and "BROKER_SECRET_KEY" not in os.environ else None
