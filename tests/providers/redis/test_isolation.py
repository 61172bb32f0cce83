"""A tenant tries to leave the own instance, to raise the own limits, to take the host with it."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis, exceptions

from tests.providers.redis.conftest import Provider, Tenant

FORBIDDEN = [
    "ACL LIST",
    "ACL SETUSER default allcommands",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 100000",
    "CONFIG GET dir",
    "CONFIG RESETSTAT",
    "CONFIG SET maxmemory 0",
    "FAILOVER",
    "LATENCY RESET",
    "MIGRATE 127.0.0.1 6379 key 0 100",
    "MODULE LIST",
    "MONITOR",
    "PSYNC x 1",
    "REPLICAOF 127.0.0.1 6379",
    "SAVE",
    "SCRIPT DEBUG YES",
    "SHUTDOWN NOSAVE",
    "SLAVEOF 127.0.0.1 6379",
    "SYNC",
]
ALLOWED = ["CLIENT LIST", "DBSIZE", "FLUSHDB", "INFO", "KEYS *", "MEMORY USAGE key", "SCAN 0", "SLOWLOG GET"]


def value_of(tenant: Tenant, key: str) -> object:
    """The key's value; nothing while the instance is down."""
    try:
        with tenant.client() as redis:
            return redis.get(key)
    except exceptions.ConnectionError:
        return None


async def eventually(true: Callable[[], bool], within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while not (result := true()) and time.monotonic() < deadline:  # noqa: ASYNC110 (other process)
        await asyncio.sleep(0.02)
    return result


@pytest.fixture(scope="module")
async def tenant(provider: Provider) -> Tenant:
    return await provider.provision()


@pytest.mark.parametrize("command", FORBIDDEN)
async def test_a_tenant_may_not(tenant: Tenant, command: str) -> None:
    with tenant.client() as redis, pytest.raises(exceptions.NoPermissionError):
        redis.execute_command(*command.split())


async def test_a_script_may_no_more_than_its_caller(tenant: Tenant) -> None:
    with tenant.client() as redis:
        with pytest.raises(exceptions.ResponseError, match=r"not allowed|permission"):
            redis.eval("return server.call('CONFIG', 'SET', 'maxmemory', '0')", 0)
        with pytest.raises(exceptions.ResponseError):
            redis.eval("return io.open('/etc/passwd'):read()", 0)


async def test_the_debug_command_is_off(tenant: Tenant) -> None:
    with tenant.client() as redis, pytest.raises(exceptions.ResponseError, match=r"not allowed|permission"):
        redis.execute_command("DEBUG", "SEGFAULT")


@pytest.mark.parametrize("command", ALLOWED)
async def test_a_tenant_may(tenant: Tenant, command: str) -> None:
    with tenant.client() as redis:
        redis.execute_command(*command.split())
        assert redis.ping()


async def test_the_password_of_one_tenant_opens_no_other_instance(provider: Provider, tenant: Tenant) -> None:
    other = await provider.provision()
    mine, theirs = urlsplit(tenant.url), urlsplit(other.url)
    assert mine.password != theirs.password
    for user in ("default", "operator"):
        with (
            Redis(port=theirs.port or 0, username=user, password=mine.password, retry=None) as redis,
            pytest.raises(exceptions.AuthenticationError),
        ):
            redis.ping()


async def test_a_tenant_has_the_connections_of_the_plan_and_no_more(provider: Provider) -> None:
    tenant = await provider.provision()
    clients = [tenant.client() for _ in range(20)]
    try:
        assert all(client.ping() for client in clients)
        with pytest.raises(exceptions.ConnectionError, match="max number of clients"), tenant.client() as redis:
            redis.ping()
        # The provider's own connection has its place beside them.
        assert (await provider.keeper(tenant).instance.figures()).clients == 20
    finally:
        for client in clients:
            client.close()


async def test_a_script_that_eats_memory_ends_the_own_instance_and_not_the_host(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    greedy = "local t = {} for i = 1, 1e8 do t[i] = string.rep('x', 1000) .. i end"
    with tenant.client() as redis:
        redis.set("kept", "yes")
        with pytest.raises((exceptions.ConnectionError, exceptions.ResponseError)):
            redis.eval(greedy, 0)
    # It ends at the script or at the next command, when there is no byte left; either way it is back with its keys.
    assert await eventually(lambda: value_of(tenant, "kept") == "yes")


async def test_no_password_is_in_the_process_list_or_in_a_file_for_others(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    password = str(urlsplit(tenant.url).password)
    figures = await provider.keeper(tenant).instance.figures()
    for view in ("cmdline", "environ"):
        assert password.encode() not in Path(f"/proc/{figures.pid}/{view}").read_bytes()
    folder = provider.app.state.kit.service._directory(tenant.uuid)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    assert not any(password.encode() in path.read_bytes() for path in files)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
async def test_an_instance_does_not_run_as_root(provider: Provider, tenant: Tenant) -> None:
    figures = await provider.keeper(tenant).instance.figures()
    assert os.stat(f"/proc/{figures.pid}").st_uid != 0
