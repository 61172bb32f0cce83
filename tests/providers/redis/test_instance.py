"""One process and its directory, without the protocol around it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from redis import Redis

from embedded.processes import free_port
from embedded.valkey import find_server
from providers.redis.conf import Blueprint
from providers.redis.instance import Instance, InstanceError, PortTaken
from providers.redis.plans import PLANS
from tests.processes import gone

PASSWORD = "p" * 32


def instance(directory: Path, port: int | None = None, plan: str = "premium-0") -> Instance:
    blueprint = Blueprint("127.0.0.1", port or free_port(), PLANS[plan], "noeviction", PASSWORD, "o" * 32)
    return Instance(blueprint, directory, find_server())


@asynccontextmanager
async def started(instance: Instance) -> AsyncIterator[Redis]:
    await instance.start()
    try:
        with Redis(port=instance.blueprint.port, password=PASSWORD, decode_responses=True, retry=None) as client:
            yield client
    finally:
        await instance.stop()


async def test_a_process_of_an_earlier_life_is_ended_before_the_directory_is_used_again(tmp_path: Path) -> None:
    orphan = instance(tmp_path / "one")
    async with started(orphan) as client:
        client.set("kept", "yes")
        pid = (await orphan.figures()).pid
        async with started(instance(tmp_path / "one", orphan.blueprint.port)) as client:
            assert await asyncio.to_thread(gone, pid, reap=lambda: orphan._process and orphan._process.poll())
            assert client.get("kept") == "yes"


async def test_a_taken_port_is_told_from_other_failures(tmp_path: Path) -> None:
    first = instance(tmp_path / "one")
    async with started(first):
        with pytest.raises(PortTaken):
            await instance(tmp_path / "two", first.blueprint.port).start()


async def test_a_damaged_file_stops_the_start_and_its_reason_is_for_the_operator_alone(tmp_path: Path) -> None:
    async with started(broken := instance(tmp_path / "one")) as client:
        client.set("kept", "yes")
    (tmp_path / "one" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(InstanceError) as caught:
        await broken.start()
    assert str(tmp_path) not in str(caught.value)
    assert "manifest" in caught.value.detail


async def test_an_interrupted_start_leaves_no_process(tmp_path: Path) -> None:
    interrupted = instance(tmp_path / "one")
    starting = asyncio.ensure_future(interrupted.start())
    while interrupted._process is None:  # noqa: ASYNC110 (the moment has no event)
        await asyncio.sleep(0)  # to the step after the fork
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert interrupted._process.returncode is not None


async def test_an_endless_script_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with started(busy := instance(tmp_path / "one")):
        pid = (await busy.figures()).pid

        with closing(socket.create_connection(("127.0.0.1", busy.blueprint.port), 5)) as raw:
            raw.sendall(f"AUTH {PASSWORD}\r\n".encode())
            assert raw.recv(100) == b"+OK\r\n"
            raw.sendall(b'EVAL "while true do end" 0\r\n')
            await busy.stop()
        assert gone(pid)


async def test_a_plan_without_persistence_starts_empty(tmp_path: Path) -> None:
    async with started(instance(tmp_path / "one")) as client:
        client.set("kept", "no")
    async with started(instance(tmp_path / "one", plan="mini")) as client:
        assert client.dbsize() == 0
    assert not (tmp_path / "one" / "appendonlydir").exists()
