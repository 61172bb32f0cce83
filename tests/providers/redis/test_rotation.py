"""Two credentials on one instance: both reach the keys, survive a restart, and the old one goes with its connections."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from redis import exceptions

from providers.redis.app import create_app
from tests.providers.partner import running
from tests.providers.redis.conftest import MakeSettings, Provider, Tenant

REFUSED = (exceptions.AuthenticationError, exceptions.ConnectionError)


async def rotated(provider: Provider, tenant: Tenant, rotation: UUID) -> Tenant:
    body = {"rotation": str(rotation)}
    answer = await provider.broker.post(f"/heroku/resources/{tenant.uuid}/actions/rotate", json=body)
    assert answer.status_code == 200, answer.text
    return replace(tenant, url=answer.json()["config"]["REDIS_URL"])


async def revoke(provider: Provider, tenant: Tenant, rotation: UUID) -> None:
    body = {"rotation": str(rotation)}
    answer = await provider.broker.post(f"/heroku/resources/{tenant.uuid}/actions/revoke", json=body)
    assert answer.status_code == 204, answer.text


def greets_by_password_alone(tenant: Tenant) -> bool:
    url = urlsplit(tenant.url)
    with closing(socket.create_connection((url.hostname, url.port), 5)) as connection:
        connection.sendall(f"AUTH {url.password}\r\n".encode())
        return connection.recv(100) == b"+OK\r\n"


async def test_both_credentials_reach_the_keys_until_the_old_one_goes_with_its_connections(provider: Provider) -> None:
    old, rotation = await provider.provision("premium-0"), uuid4()
    with old.client() as before:
        before.set("greeting", "hello")
        new = await rotated(provider, old, rotation)
        assert await rotated(provider, old, rotation) == new
        assert new.url != old.url
        with new.client() as after:
            assert after.get("greeting") == before.get("greeting") == "hello"
            assert greets_by_password_alone(old)
            assert greets_by_password_alone(new)
            await revoke(provider, old, rotation)
            assert after.get("greeting") == "hello"
        with pytest.raises(REFUSED):
            before.get("greeting")
    with old.client() as before, pytest.raises(REFUSED):
        before.get("greeting")
    assert not greets_by_password_alone(old)
    assert greets_by_password_alone(new)


async def test_what_works_before_a_restart_of_the_provider_works_after_it(make_settings: MakeSettings) -> None:
    settings, first, second = make_settings(), uuid4(), uuid4()
    async with running(app := create_app(settings), "redis") as broker:
        provider = Provider(app, broker)
        oldest = await provider.provision("premium-0")
        middle = await rotated(provider, oldest, first)
        await revoke(provider, oldest, first)
        newest = await rotated(provider, oldest, second)
    async with running(app := create_app(settings), "redis") as broker:
        provider = Provider(app, broker)
        await provider.provision("premium-0", newest.uuid)
        for tenant in (middle, newest):
            with tenant.client() as redis:
                redis.set("by", tenant.url)
        with oldest.client() as redis, pytest.raises(REFUSED):
            redis.get("by")
        await revoke(provider, newest, second)
        with middle.client() as redis, pytest.raises(REFUSED):
            redis.get("by")
        with newest.client() as redis:
            assert redis.get("by") == newest.url
