"""The provider through the broker's calls, its instances through a Redis client."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis import Redis, exceptions

from providers.redis.app import create_app
from tests.providers.partner import client_of, provision_body, running, sso_form
from tests.providers.redis.conftest import MakeSettings, Provider

KB = "x" * 1024


def fill(redis: Redis, keys: int) -> None:
    for start in range(0, keys, 500):
        redis.mset({f"key:{number}": KB for number in range(start, start + 500)})


async def test_a_provisioned_redis_takes_and_gives_back_what_is_written(provider: Provider) -> None:
    tenant = await provider.provision()
    with tenant.client() as redis:
        redis.set("greeting", "hello")
        assert redis.get("greeting") == "hello"


async def test_a_client_that_sends_the_password_alone_gets_in(provider: Provider) -> None:
    tenant = await provider.provision()
    url = urlsplit(tenant.url)
    with closing(socket.create_connection((url.hostname, url.port), 5)) as connection:
        connection.sendall(f"AUTH {url.password}\r\n".encode())
        assert connection.recv(100) == b"+OK\r\n"


async def test_without_a_password_nothing_is_answered(provider: Provider) -> None:
    tenant = await provider.provision()
    url = urlsplit(tenant.url)
    with closing(socket.create_connection((url.hostname, url.port), 5)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


async def test_a_second_provision_with_the_same_uuid_gives_the_same_redis(provider: Provider) -> None:
    first = await provider.provision()
    with first.client() as redis:
        redis.set("kept", "yes")
    assert await provider.provision(uuid=first.uuid) == first
    with first.client() as redis:
        assert redis.get("kept") == "yes"


async def test_an_unknown_plan_is_refused_with_the_list_of_plans(provider: Provider) -> None:
    body = provision_body(plan="gigantic")
    answer = await provider.broker.post("/heroku/resources", json=body)
    assert answer.status_code == 422
    assert "mini, premium-0, premium-1, premium-2" in answer.json()["message"]
    assert (await provider.broker.delete(f"/heroku/resources/{body['uuid']}")).status_code == 404


async def test_a_removed_redis_is_gone_with_its_data_and_its_port(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    folder = provider.app.state.kit.service._directory(tenant.uuid)
    assert folder.is_dir()
    assert await provider.remove(tenant) == 204
    assert not folder.exists()
    with pytest.raises(exceptions.ConnectionError), tenant.client() as redis:
        redis.ping()
    assert await provider.remove(tenant) == 410
    again = await provider.broker.post("/heroku/resources", json=provision_body(tenant.uuid))
    assert again.status_code == 410


async def test_a_full_mini_refuses_writes_and_still_reads_and_deletes(provider: Provider) -> None:
    tenant = await provider.provision()
    with tenant.client() as redis:
        with pytest.raises(exceptions.OutOfMemoryError):
            fill(redis, 30_000)
        assert 15_000 < redis.dbsize() < 25_000
        assert redis.get("key:0") == KB
        assert redis.flushdb()
        assert redis.set("one more", KB)


async def test_the_eviction_policy_is_an_option_of_the_provision(provider: Provider) -> None:
    tenant = await provider.provision(options={"maxmemory-policy": "allkeys-lru"})
    with tenant.client() as redis:
        assert redis.info("memory")["maxmemory_policy"] == "allkeys-lru"
    wrong = provision_body(options={"maxmemory-policy": "whatever\nuser evil on"})
    answer = await provider.broker.post("/heroku/resources", json=wrong)
    assert answer.status_code == 422
    assert "volatile-ttl" in answer.json()["message"]


async def test_a_plan_change_holds_at_once_for_open_connections(provider: Provider) -> None:
    tenant = await provider.provision("mini")
    with tenant.client() as redis:
        redis.set("kept", "yes")
        before = redis.info("server")["run_id"]
        answer = await provider.change_plan(tenant, "premium-1")
        assert answer.status_code == 200
        assert answer.json()["config"] == {"REDIS_URL": tenant.url}
        assert redis.get("kept") == "yes"
        assert redis.info("server")["run_id"] == before
        assert redis.info("memory")["maxmemory"] == 100 * 1024 * 1024
        assert redis.info("persistence")["aof_enabled"] == 1
        assert redis.info("clients")["maxclients"] == 80 + 1


async def test_asking_for_the_current_plan_again_changes_nothing(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    answer = await provider.change_plan(tenant, "premium-0")
    assert answer.status_code == 200
    assert answer.json()["config"] == {"REDIS_URL": tenant.url}


async def test_a_downgrade_that_the_data_does_not_fit_is_refused_with_both_sizes(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    with tenant.client() as redis:
        for number in range(30):
            redis.set(f"block:{number}", "x" * 1024 * 1024)
        answer = await provider.change_plan(tenant, "mini")
        assert answer.status_code == 422
        assert "The data takes 3" in answer.json()["message"]
        assert "room for 25 MB" in answer.json()["message"]
        assert redis.info("memory")["maxmemory"] == 50 * 1024 * 1024
        redis.flushall()
        assert (await provider.change_plan(tenant, "mini")).status_code == 200
        assert redis.info("memory")["maxmemory"] == 25 * 1024 * 1024
        assert redis.info("persistence")["aof_enabled"] == 0


async def test_a_downgrade_to_the_free_plan_leaves_no_keys_on_disk(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    folder = provider.app.state.kit.service._directory(tenant.uuid)
    assert any(folder.glob("appendonlydir/*"))
    assert (await provider.change_plan(tenant, "mini")).status_code == 200
    assert not any(folder.glob("appendonlydir/*"))


async def test_beyond_the_ceiling_a_provision_is_refused_for_the_moment(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(max_instances=1))
    async with running(app, "redis") as broker:
        provider = Provider(app, broker)
        first = await provider.provision()
        refused = provision_body()
        answer = await broker.post("/heroku/resources", json=refused)
        assert answer.status_code == 503
        assert "room for (1)" in answer.json()["message"]
        assert await provider.provision(uuid=first.uuid) == first  # a repeat takes no room
        assert len((await broker.get("/heroku/resources")).json()) == 1
        assert await provider.remove(first) == 204
        assert (await broker.post("/heroku/resources", json=refused)).status_code == 201


async def test_wrong_credentials_are_told_so(provider: Provider) -> None:
    async with client_of(provider.app, ("redis", "wrong")) as stranger:
        assert (await stranger.post("/heroku/resources", json=provision_body())).status_code == 401


async def test_an_unknown_resource_is_not_found(provider: Provider) -> None:
    assert (await provider.broker.put(f"/heroku/resources/{uuid4()}", json={"plan": "mini"})).status_code == 404


async def test_the_dashboard_shows_use_and_limits_after_sign_on_and_no_password(provider: Provider) -> None:
    tenant = await provider.provision("premium-0")
    with tenant.client() as redis:
        redis.mset({"a": 1, "b": 2, "c": 3})
        async with client_of(provider.app) as browser:
            assert (await browser.get(f"/dashboard/{tenant.uuid}")).status_code == 403
            signed_on = await browser.post("/sso/login", data=sso_form(tenant.uuid))
            page = await browser.get(signed_on.headers["location"])
    assert page.status_code == 200
    assert "of 50 MB" in page.text
    assert "Connections: 1 of 40" in page.text
    assert "<dt>Keys</dt><dd>3</dd>" in page.text
    assert "written to disk every second" in page.text
    assert str(urlsplit(tenant.url).password) not in page.text


async def test_the_health_of_the_provider_does_not_hang_on_one_instance(provider: Provider) -> None:
    tenant = await provider.provision()
    keeper = provider.keeper(tenant)
    await keeper.instance.stop()
    assert await keeper.until(lambda: keeper.trouble is not None, 10)
    assert (await provider.broker.get("/health")).status_code == 200
    assert await keeper.running(10)


async def test_provisions_at_once_get_instances_of_their_own(provider: Provider) -> None:
    tenants = await asyncio.gather(*(provider.provision() for _ in range(6)))
    assert len({urlsplit(tenant.url).port for tenant in tenants}) == 6
    for number, tenant in enumerate(tenants):
        with tenant.client() as redis:
            assert redis.dbsize() == 0
            redis.set("mine", number)
    assert [await provider.remove(tenant) for tenant in tenants] == [204] * 6


async def test_the_same_provision_twice_at_once_makes_one_instance(provider: Provider) -> None:
    uuid = uuid4()
    first, second = await asyncio.gather(provider.provision(uuid=uuid), provider.provision(uuid=uuid))
    assert first == second
