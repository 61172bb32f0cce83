"""A home that an earlier release wrote opens today, with everything in it."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from broker.accounts.models import User
from broker.addons.queries import list_addons
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases, release_config_vars
from broker.backup.keys import read_key_file
from broker.backup.tools import running
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Database as Pool
from broker.kernel.db import async_url
from broker.kernel.signals import Signals
from broker.kernel.vault import KeyRing, Vault
from broker.local.database import Database
from broker.local.home import Home, write_private
from broker.migrations.run import upgrade
from embedded import postgres
from tests.domain import StoppedClock
from tests.migrations.make_fixture import APP, DATA, EMAIL, GREETING, TEST_ONLY_KEY

RELEASES = sorted(path.stem for path in DATA.glob("*.sql"))


@contextmanager
def home_of(revision: str, path: Path) -> Iterator[Home]:
    """A home as that release left it, its database running."""
    home = Home(path)
    write_private(home.secret_key, base64.urlsafe_b64encode(TEST_ONLY_KEY).decode() + "\n")
    database = Database(home)
    database.initialise()
    server = postgres.start(home.database, database.port)
    try:
        database.prepare()
        dump = str(DATA / f"{revision}.sql")
        with running(
            "psql", "-Xq1", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-f", dump, database_url=database.url
        ) as tool:
            assert tool.process.wait() == 0, tool.complaint()
        yield home
    finally:
        server.stop()


async def the_actor(ctx: Context) -> Actor:
    async with ctx.database.transaction() as tx:
        found = (await tx.execute(select(User.id).where(User.email == EMAIL))).scalar_one()
    return Actor(found, EMAIL, frozenset({Scope.GLOBAL}))


@pytest.mark.parametrize("revision", RELEASES)
async def test_what_an_earlier_release_sealed_is_read_today(revision: str, tmp_path: Path) -> None:
    with home_of(revision, tmp_path) as home:
        url = Database(home).url
        upgrade(url)
        engine = create_async_engine(async_url(url))
        vault = Vault(KeyRing(lambda: read_key_file(home.secret_key)))
        ctx = Context(Pool(engine), StoppedClock(), vault, Signals(url))
        ada = await the_actor(ctx)
        config = await get_config_vars(ctx, ada, APP)
        assert config["GREETING"] == GREETING
        assert config["STORE_URL"].startswith("store://")
        releases = await list_releases(ctx, ada, APP, newest_first=False, limit=10)
        assert [release.version for release in releases] == [1, 2, 3]
        assert await release_config_vars(ctx, ada, APP, "v2") == {"GREETING": GREETING}
        [addon] = await list_addons(ctx, ada)
        assert (addon.service.slug, addon.plan.name, addon.state) == ("store", "store:big", "provisioned")
        await engine.dispose()


def test_the_first_release_is_among_them() -> None:
    assert RELEASES[0] == "0003"
