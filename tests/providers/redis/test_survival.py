"""Instances and providers are killed, stopped and started again; ports are lost and found."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from redis import exceptions

from providers.redis.app import CannotStart, create_app, lock_home
from tests.processes import gone
from tests.providers.partner import running
from tests.providers.redis.conftest import MakeSettings, Provider


async def test_a_killed_instance_comes_back_with_its_keys(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    keeper = provider.keeper(tenant)
    with tenant.client() as redis:
        redis.set("kept", "yes")
    pid = (await keeper.instance.figures()).pid
    os.kill(pid, signal.SIGKILL)
    assert await keeper.until(lambda: keeper.restarts == 1 and keeper.trouble is None, 10)
    assert (await keeper.instance.figures()).pid != pid
    with tenant.client() as redis:
        assert redis.get("kept") == "yes"


async def test_a_restarted_provider_finds_every_instance_as_it_was(make_settings: MakeSettings) -> None:
    settings = make_settings()
    app = create_app(settings)
    async with running(app, "redis") as broker:
        provider = Provider(app, broker)
        paid, free = await provider.provision("premium-0"), await provider.provision("mini")
        with paid.client() as redis:
            redis.set("kept", "yes")
        pids = [(await provider.keeper(each).instance.figures()).pid for each in (paid, free)]
    assert all(gone(pid) for pid in pids)
    app = create_app(settings)
    async with running(app, "redis") as broker:
        assert await Provider(app, broker).provision("premium-0", paid.uuid) == paid
        with paid.client() as redis, free.client() as other:
            assert redis.get("kept") == "yes"
            assert other.ping()


async def test_a_changed_plan_is_still_the_plan_after_a_restart(make_settings: MakeSettings) -> None:
    settings = make_settings()
    app = create_app(settings)
    async with running(app, "redis") as broker:
        provider = Provider(app, broker)
        tenant = await provider.provision("mini")
        with tenant.client() as redis:
            redis.set("kept", "yes")
        assert (await provider.change_plan(tenant, "premium-2")).status_code == 200
    async with running(create_app(settings), "redis"):
        with tenant.client() as redis:
            assert redis.get("kept") == "yes"
            assert redis.info("memory")["maxmemory"] == 250 * 1024 * 1024


async def test_an_instance_whose_port_was_taken_says_so_and_starts_when_it_is_free(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings()
    app = create_app(settings)
    async with running(app, "redis") as broker:
        tenant = await Provider(app, broker).provision("mini")
    port = urlsplit(tenant.url).port
    with closing(socket.create_server(("127.0.0.1", port or 0))) as elsewhere:
        app = create_app(settings)
        async with running(app, "redis") as broker:  # one instance that is down does not keep the provider from serving
            provider = Provider(app, broker)
            keeper = provider.keeper(tenant)
            assert (
                keeper.trouble == f"Port {port} is used by another program; the instance starts when it is free again."
            )
            assert (await broker.get("/health")).status_code == 200
            elsewhere.close()
            assert await keeper.running(10)
            assert await provider.provision(uuid=tenant.uuid) == tenant
            with tenant.client() as redis:
                assert redis.ping()


async def test_two_providers_never_share_a_home(make_settings: MakeSettings) -> None:
    home = make_settings().home
    lock = lock_home(home)
    try:
        with pytest.raises(CannotStart, match="Another Redis provider"):
            lock_home(home)
    finally:
        os.close(lock)
    os.close(lock_home(home))


async def test_a_stopped_provider_leaves_nobody_listening(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    async with running(app, "redis") as broker:
        tenant = await Provider(app, broker).provision("mini")
    with pytest.raises(exceptions.ConnectionError), tenant.client() as redis:
        redis.ping()
