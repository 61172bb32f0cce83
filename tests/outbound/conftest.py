"""The guarded client of the tests: may reach this machine, reads little, waits briefly."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest_asyncio

from broker.outbound.http import GuardedClient

LIMIT_BYTES = 20_000
TIMEOUT_S = 1.0
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest_asyncio.fixture(scope="session")
async def client() -> AsyncIterator[GuardedClient]:
    made = GuardedClient(LOOPBACK, limit_bytes=LIMIT_BYTES, timeout_s=TIMEOUT_S)
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="session")
async def strict_client() -> AsyncIterator[GuardedClient]:
    """One that may reach public addresses alone."""
    made = GuardedClient((), limit_bytes=LIMIT_BYTES, timeout_s=TIMEOUT_S)
    yield made
    await made.close()
