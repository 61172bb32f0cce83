"""A seeded broker's database, its backup, and the keys of both. Tests change copies of the file, never the file."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from broker.backup.keys import Keys
from broker.backup.write import back_up
from broker.kernel.vault import KeyRing, Vault
from broker.migrations.run import upgrade
from tests.engines import new_database
from tests.migrations.make_fixture import dumped, seeded

PASSPHRASE = b"correct horse battery staple"


def silent(_what: str, _done: int) -> None:
    return


@dataclass(frozen=True)
class Original:
    """The database that was backed up, as SQL, and the file."""

    url: str
    file: Path
    keys: Keys
    sql: str


@pytest.fixture(scope="module")
def original(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    key = os.urandom(32)
    keys = Keys([key], None, PASSPHRASE)
    file = tmp_path_factory.mktemp("backup") / "broker.backup"
    with new_database(postgres_url) as url:
        upgrade(url)
        asyncio.run(seeded(url, Vault(KeyRing(lambda: [key]))))
        back_up(url, keys, file, silent)
        yield Original(url, file, Keys([key]), dumped(url))


@pytest.fixture
def other_broker(postgres_url: str) -> Iterator[str]:
    """A database with a broker in it that is not the one of the backup."""
    with new_database(postgres_url) as url:
        upgrade(url)
        with psycopg.connect(url) as connection:
            connection.execute(
                "insert into users (id, email, created_at, updated_at) values (uuidv7(), 'old', now(), now())"
            )
        yield url
