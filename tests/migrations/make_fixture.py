"""Writes `data/<revision>.sql`: a database of today's release with one of everything, for the releases to come.

`python -m tests.migrations.make_fixture` before a release, and again when an unreleased revision was changed. The files of
revisions that were released are never written anew: today's code could not make them.
"""

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from broker.apps.config_vars import set_config_vars
from broker.backup.tools import running
from broker.kernel.context import Actor, Context
from broker.kernel.db import Database, async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import KeyRing, Vault
from broker.migrations.run import known_revisions, upgrade
from tests.addons.conftest import World, make_world
from tests.domain import StoppedClock, new_user
from tests.engines import new_database, postgres_server

DATA = Path(__file__).parent / "data"

TEST_ONLY_KEY = hashlib.sha256(b"key of the migration fixtures: protects nothing").digest()
EMAIL = "ada@example.com"
APP = "shop"
GREETING = 'it is $5 "only" \N{HOT BEVERAGE}\nsecond line'

# The random key of \restrict would change with every run, and only psql knows that command.
_FOR_PSQL = ("\\restrict", "\\unrestrict")


def fixture_vault() -> Vault:
    return Vault(KeyRing(lambda: [TEST_ONLY_KEY]))


async def nothing_reserved(_tx: object, _app_id: object) -> frozenset[str]:
    return frozenset()


async def seed(ctx: Context) -> Actor:
    """An account, an app with a config var of its own, and an add-on that gives it others."""
    ada = await new_user(ctx, EMAIL)
    world: World = await make_world(ctx, ada)
    await set_config_vars(ctx, ada, APP, {"GREETING": GREETING}, nothing_reserved)
    await world.provisioned("store:big")
    return ada


async def seeded(database_url: str, vault: Vault) -> Actor:
    """Seed a migrated database."""
    database = Database(create_async_engine(async_url(database_url)))
    signals = Signals(database_url)
    await signals.start()
    try:
        return await seed(Context(database, StoppedClock(), vault, signals))
    finally:
        await signals.stop()
        await database.close()


def dumped(database_url: str) -> str:
    """The whole database as SQL that any client can run."""
    options = ("--inserts", "--no-owner", "--no-privileges", "-w")
    with running("pg_dump", *options, database_url=database_url, stdout=subprocess.PIPE) as tool:
        text, _ = tool.process.communicate()
    assert tool.process.returncode == 0
    lines = [line for line in text.decode().splitlines() if not line.startswith(("--", *_FOR_PSQL))]
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before) + "\n"


def main() -> None:
    with postgres_server() as server, new_database(server) as url:
        upgrade(url)
        asyncio.run(seeded(url, fixture_vault()))
        target = DATA / f"{max(known_revisions())}.sql"
        target.write_text(dumped(url), encoding="utf-8")
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
