"""Backup and restore of a home: while `broker up` holds it, while nothing runs, and on a machine that has nothing."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from broker.backup.errors import BackupError
from broker.backup.keys import read_key_file
from broker.kernel.vault import KeyRing, Vault
from broker.local.backup import backup_of_home, restore_into_home
from broker.local.database import Database
from broker.local.home import Home, HomeError, HomeInUse, opened
from broker.migrations.run import upgrade
from embedded import postgres
from tests.backup.conftest import PASSPHRASE, silent
from tests.migrations.make_fixture import dumped, seeded


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a seeded broker in it, on which nothing runs."""
    path = tmp_path_factory.mktemp("home")
    with opened(path) as made:
        made.make_secret_key()
        Database(made).initialise()
        with served(made):
            upgrade(Database(made).url)
            vault = Vault(KeyRing(lambda: read_key_file(made.secret_key)))
            asyncio.run(seeded(Database(made).url, vault))
    return path


class served:  # noqa: N801 - reads as a verb where it is used
    """What `broker up` does for the database."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> str:
        database = Database(self._home)
        self._server = postgres.start(self._home.database, database.port)
        database.prepare()
        return database.url

    def __exit__(self, *_: object) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def file(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that carries the keys."""
    path = tmp_path_factory.mktemp("backup") / "broker.backup"
    backup_of_home(home, path, PASSPHRASE, silent)
    return path


def content(home: Path) -> str:
    with opened(home) as held, served(held) as url:
        return dumped(url)


def test_a_burnt_machine_comes_back_from_the_file_and_the_passphrase(home: Path, file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "home"
    done = restore_into_home(new, file, PASSPHRASE, force=False, check_only=False, progress=silent)
    assert done.keys_added == 1
    assert read_key_file(new / "secret.key") == read_key_file(home / "secret.key")
    assert (new / "secret.key").stat().st_mode & 0o777 == 0o600
    assert content(new) == content(home)


def test_without_passphrase_and_key_nothing_is_made(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="opens with the key-encryption key"):
        restore_into_home(tmp_path / "home", file, None, force=False, check_only=False, progress=silent)
    assert not (tmp_path / "home" / "postgres").exists()
    assert not (tmp_path / "home" / "secret.key").exists()


def test_a_running_broker_is_backed_up_but_not_restored_over(home: Path, file: Path, tmp_path: Path) -> None:
    with opened(home) as held, served(held):
        written = backup_of_home(home, tmp_path / "b", None, silent)
        with pytest.raises(HomeInUse, match="already running"):
            restore_into_home(home, file, PASSPHRASE, force=True, check_only=False, progress=silent)
    assert written.manifest.tables["apps"] == 1
    assert restore_into_home(home, written.file, None, force=False, check_only=True, progress=silent).manifest == (
        written.manifest
    )


def test_a_home_without_a_broker_has_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="no broker in"):
        backup_of_home(tmp_path / "none", tmp_path / "b", None, silent)
    assert [*tmp_path.iterdir()] == []


def test_a_home_that_lost_its_key_is_told_so(home: Path, tmp_path: Path) -> None:
    kept = (home / "secret.key").rename(home / "aside")
    try:
        with pytest.raises(BackupError, match="no key-encryption key here"):
            backup_of_home(home, tmp_path / "b", None, silent)
    finally:
        kept.rename(home / "secret.key")


def test_the_commands_work_on_a_home(home: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "broker", *arguments, "--home", str(home)]
        return subprocess.run(command, capture_output=True, text=True)

    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    passphrase = ("--passphrase-file", str(tmp_path / "passphrase"))
    made = run("backup", str(tmp_path / "b"), *passphrase, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["carries_keys"]
    refused = run("restore", str(tmp_path / "b"), *passphrase)
    assert refused.returncode == 1
    assert "Error: The database is not empty." in refused.stderr
    done = run("restore", str(tmp_path / "b"), "--force")
    assert done.returncode == 0, done.stderr
    assert "What providers keep is not restored" in done.stderr
