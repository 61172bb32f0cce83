"""`python -m providers.postgres` as a supervisor runs it: started, stopped, killed, started twice on one home."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from embedded.processes import free_port
from tests.providers.partner import PASSWORD, SALT, provision_body


@pytest.fixture
async def environment(tmp_path: Path, manifest: Path) -> dict[str, str]:
    return os.environ | {
        "POSTGRES_PROVIDER_HOME": str(tmp_path / "home"),
        "POSTGRES_PROVIDER_MANIFESTS": str(manifest),
        "POSTGRES_PROVIDER_PORT": str(free_port()),
    }


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{environment['POSTGRES_PROVIDER_PORT']}"
    async with httpx.AsyncClient(base_url=url, auth=("postgres", PASSWORD), timeout=20) as client:
        yield client


async def started(environment: dict[str, str], client: httpx.AsyncClient, log: Path) -> Process:
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "providers.postgres", env=environment, stderr=sink, stdout=sink
        )
    async with asyncio.timeout(30):
        while not await healthy(client):  # noqa: ASYNC110 (another process: there is no event)
            await asyncio.sleep(0.05)
    return process


async def healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


async def test_the_program_survives_being_stopped_and_killed_and_tells_no_secrets(
    environment: dict[str, str], client: httpx.AsyncClient, tmp_path: Path
) -> None:
    log, uuid, urls = tmp_path / "log", uuid4(), set()
    for ending in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        process = await started(environment, client, log)
        try:
            answer = await client.post("/heroku/resources?token=canary", json=provision_body(uuid))
            urls.add(answer.json()["config"]["DATABASE_URL"])
            connection = await asyncpg.connect(urls.copy().pop())
            await connection.execute("CREATE TABLE IF NOT EXISTS t ()")
            await connection.close()
            if ending is signal.SIGTERM:
                refused = await second_on_the_same_home(environment)
                assert "another provider runs on this home" in refused
                assert "Traceback" not in refused
        finally:
            process.send_signal(ending)
            status = await asyncio.wait_for(process.wait(), 10)
        assert status == (-signal.SIGKILL if ending is signal.SIGKILL else 0)
    assert len(urls) == 1
    told = log.read_text()
    assert "POST /heroku/resources 201" in told
    for secret in (PASSWORD, SALT, "canary", urls.pop().split(":")[2].split("@")[0]):
        assert secret not in told
    assert "Traceback" not in told


async def second_on_the_same_home(environment: dict[str, str]) -> str:
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "providers.postgres",
        env=environment | {"POSTGRES_PROVIDER_PORT": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    return complaint.decode()


async def test_settings_that_cannot_be_used_stop_the_start_with_a_sentence(environment: dict[str, str]) -> None:
    for changes, sentence in (
        ({"POSTGRES_PROVIDER_MANIFESTS": "/nowhere.json"}, "/nowhere.json: cannot be read"),
        ({"POSTGRES_PROVIDER_DB_PORT": "many"}, "POSTGRES_PROVIDER_DB_PORT"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "providers.postgres", env=environment | changes, stderr=asyncio.subprocess.PIPE
        )
        _, complaint = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 1
        assert sentence in complaint.decode()
        assert "Traceback" not in complaint.decode()
