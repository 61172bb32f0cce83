"""`python -m providers.redis` as its operator sees it: a process that is started, killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from embedded.processes import free_port
from providers.redis.app import lock_home
from providers.redis.plans import PLANS
from tests.processes import gone
from tests.providers.partner import PASSWORD, provision_body, write_manifest
from tests.providers.redis.conftest import Tenant


@contextmanager
def program(home: Path, manifest: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    port = free_port()
    environment = {
        "REDIS_PROVIDER_HOME": str(home),
        "REDIS_PROVIDER_MANIFESTS": str(manifest),
        "REDIS_PROVIDER_PORT": str(port),
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "providers.redis"], env=os.environ | environment, stderr=subprocess.PIPE
    )
    transport = httpx.HTTPTransport(retries=20)  # the connection is retried with growing pauses until it listens
    with process, httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("redis", PASSWORD), transport=transport) as c:
        try:
            yield process, c
        finally:
            process.kill()
            process.wait()


def provision(client: httpx.Client, tenant_uuid: UUID, plan: str) -> Tenant:
    answer = client.post("/heroku/resources", json=provision_body(tenant_uuid, plan))
    assert answer.status_code == 201, answer.text
    return Tenant(tenant_uuid, answer.json()["config"]["REDIS_URL"])


def pid_of(tenant: Tenant) -> int:
    with tenant.client() as redis:
        return int(redis.info("server")["process_id"])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_manifest(tmp_path, "redis", ["REDIS_URL"], "REDIS", tuple(PLANS))


def test_a_killed_provider_takes_its_instances_along_and_the_next_one_finds_them(
    tmp_path: Path, manifest: Path
) -> None:
    with program(tmp_path / "home", manifest) as (process, client):
        tenant = provision(client, uuid4(), "premium-0")
        with tenant.client() as redis:
            redis.set("kept", "yes")
        first = pid_of(tenant)
        process.kill()
        process.wait()
    with program(tmp_path / "home", manifest) as (process, client):
        assert provision(client, tenant.uuid, "premium-0") == tenant
        assert gone(first)
        with tenant.client() as redis:
            assert redis.get("kept") == "yes"


def test_no_secret_is_in_the_log_and_a_graceful_stop_ends_all(tmp_path: Path, manifest: Path) -> None:
    with program(tmp_path / "home", manifest) as (process, client):
        tenant = provision(client, uuid4(), "mini")
        pid = pid_of(tenant)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        written = process.stderr.read().decode()
        assert process.wait(10) in (0, -signal.SIGTERM)  # stopped in good order, then by the same signal
    assert gone(pid)
    assert f"instance.up {tenant.uuid}" in written
    assert urlsplit(tenant.url).password not in written
    assert PASSWORD not in written


def test_a_second_provider_on_the_same_home_says_why_it_does_not_start(tmp_path: Path, manifest: Path) -> None:
    lock = lock_home(tmp_path / "home")
    try:
        with program(tmp_path / "home", manifest) as (second, _):
            assert second.wait(20) == 1
            assert second.stderr is not None
            assert b"Another Redis provider runs with the home" in second.stderr.read()
    finally:
        os.close(lock)


def test_an_engine_that_is_no_program_is_a_plain_error(tmp_path: Path, manifest: Path) -> None:
    with program(tmp_path / "home", manifest, REDIS_PROVIDER_ENGINE=str(manifest)) as (process, _):
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert b"is not a program that can be run" in process.stderr.read()
