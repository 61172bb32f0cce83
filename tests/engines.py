"""A real PostgreSQL server for the tests: a container where a Docker engine answers, else our embedded one.

Which of the two is used stands in the header of the test report. Tables and rows are not made here.
"""

import functools
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from embedded import postgres
from embedded.binaries import OLDEST_MAJOR
from embedded.processes import free_port

# A test server may lose everything at a power cut; it must not wait for disks, nor copy or tidy up what is dropped soon.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "deadlock_timeout": "50ms",
}


@functools.cache
def docker_answers() -> bool:
    """Whether an engine listens on this machine; tests that stay on it have no use for one elsewhere."""
    place = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if place.scheme != "unix":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(place.path)
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False


def description() -> str:
    return f"postgres: {'container' if docker_answers() else 'embedded server'}, one per test process"


@contextmanager
def postgres_server() -> Iterator[str]:
    """A fresh server as a superuser's URL; stopped and removed at the end."""
    with _container() if docker_answers() else _embedded() as url:
        yield url


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database of its own on that server, as a copy of `template` (which nobody may be connected to meanwhile)."""
    name = f"test_{secrets.token_hex(6)}"
    _execute(server_url, f"create database {name} template {template}")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        _execute(server_url, f"drop database {name} with (force)")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def _embedded() -> Iterator[str]:
    folder, password = Path(tempfile.mkdtemp(prefix="broker-tests-")), secrets.token_urlsafe(16)
    try:
        postgres.initialise(folder / "postgres", password)
        server = postgres.start(folder / "postgres", free_port(), settings=FAST)
        try:
            yield f"postgresql://postgres:{password}@127.0.0.1:{server.port}/postgres"
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - 0.5 s that most machines save

    container = PostgresContainer(f"postgres:{OLDEST_MAJOR}", username="postgres", dbname="postgres", driver=None)
    container.with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --locale=C.UTF-8")
    container.with_command(["postgres", *(f"--{name}={value}" for name, value in FAST.items())])
    with container:
        parts = urlsplit(container.get_connection_url())
        address = socket.gethostbyname(parts.hostname or "localhost")
        login = f"{parts.username}:{parts.password}@{address}:{parts.port}"
        yield urlunsplit(parts._replace(scheme="postgresql", netloc=login))
