"""What is measured on: a PostgreSQL of its own with its usual, durable settings, an account, a service, and many apps."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from broker.accounts.authenticate import authenticate
from broker.accounts.seed import ensure_account
from broker.apps.create import CreateApp, create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM
from broker.kernel.secret import Secret
from broker.migrations.run import upgrade
from broker.settings import Settings
from broker.wiring import wired
from embedded import postgres
from embedded.processes import LOOPBACK, free_port
from tests.bench.provider import SLUGS, manifest

TOKEN = "HRKU-token-of-the-bench"
BEARER = f"Bearer {TOKEN}"
_SEEDED = "seeded"


class World:
    """The server, and databases that all begin as copies of the seeded one."""

    def __init__(self, folder: Path, server: postgres.PostgresServer, password: str, apps: int) -> None:
        self.folder = folder
        self.apps = apps
        self.postgres_pid = server.pid
        self.provider_port = free_port()
        self._root = f"postgresql://postgres:{password}@{LOOPBACK}:{server.port}/"
        self._key = base64.urlsafe_b64encode(os.urandom(32)).decode()

    def execute(self, url: str, statements: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def column(self, url: str, question: str) -> list[str]:
        with psycopg.connect(url) as connection:
            return [str(row[0]) for row in connection.execute(question.encode())]

    def count(self, url: str, question: str) -> int:
        return int(self.column(url, question)[0])

    def settings(self, url: str) -> Settings:
        """The settings of a part of the broker that the bench runs itself."""
        return Settings(DATABASE_URL=url, secret_key=self._key)

    def environment(self, url: str, **settings: str) -> dict[str, str]:
        """The settings of a broker on that database, in which nothing but the load bounds it."""
        usual = {"SECRET_KEY": self._key, "OUTBOUND_ALLOW": "127.0.0.0/8", "LOG_LEVEL": "warning"}
        usual["RATE_LIMIT_PER_HOUR"] = "0"
        given = {f"BROKER_{name}": value for name, value in {**usual, **settings}.items()}
        return {"DATABASE_URL": url, **given}

    def database(self, name: str, template: str = _SEEDED) -> str:
        """A fresh database, as a copy of the seeded one."""
        self.execute(self._root + "postgres", f"create database {name} template {template}")
        return self._root + name

    def drop(self, url: str) -> None:
        """Give its room on the disk back."""
        self.execute(self._root + "postgres", f"drop database {url.rpartition('/')[2]}")

    def seed(self) -> None:
        """Migrate the first database and fill it."""
        url = self.database(_SEEDED, "template1")
        upgrade(url)
        asyncio.run(self._fill(url))
        self.execute(url, "vacuum analyze")

    async def _fill(self, url: str) -> None:
        async with wired(self.settings(url)) as wiring:
            ctx = wiring.context
            await ensure_account(ctx, "bench@broker.localhost", Secret(secrets.token_hex(8)), Secret(TOKEN))
            for slug in SLUGS:
                await publish(ctx, parse(manifest(slug, self.provider_port), allow_insecure=True), SYSTEM)
            actor = await authenticate(ctx, Secret(TOKEN))
            for number in range(self.apps):
                await create_app(ctx, actor, CreateApp(name=f"bench-{number}"))


@contextmanager
def new_world(apps: int) -> Iterator[World]:
    """A world, gone again afterwards."""
    folder, password = Path(tempfile.mkdtemp(prefix="broker-bench-")), secrets.token_urlsafe(16)
    try:
        postgres.initialise(folder / "postgres", password)
        server = postgres.start(folder / "postgres", free_port())
        try:
            world = World(folder, server, password, apps)
            world.seed()
            yield world
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
