"""A host name of an outsider that leads to one address while it is checked and to another one when it is used: nobody connects to
the second. What is asked for at the first is still the name.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest

from broker.outbound.http import CallFailed, GuardedClient, NotSent, addresses_of
from broker.testkit.connect import complaint
from tests.outbound.test_http import self_signed

NAME: Final = "rebind.localhost"
PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"
"""One that counts as public in these tests, and one within."""
ALLOWED: Final = [ip_network(f"{PUBLIC}/32")]


@dataclass
class Wire:
    """Who listens at both, at the same port."""

    port: int = 0
    reached: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The names in whose certificates clients were interested."""


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the name leads to, in turn; at last for ever to the address within."""
    turns, real = [PUBLIC], socket.getaddrinfo

    def answer(host: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real((turns.pop(0) if turns else PRIVATE) if name == NAME else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return turns


@asynccontextmanager
async def listening(folder: Path | None) -> AsyncIterator[Wire]:
    wire = Wire()
    context = None if folder is None else self_signed(folder)
    if context is not None:
        context.sni_callback = lambda _connection, name, _context: wire.names.append(name)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.reached.append(writer.get_extra_info("sockname")[0])
        writer.close()

    first = await asyncio.start_server(accept, PUBLIC, 0, ssl=context)
    wire.port = first.sockets[0].getsockname()[1]
    async with first, await asyncio.start_server(accept, PRIVATE, wire.port, ssl=context):
        yield wire


async def permit(host: str) -> list[str]:
    try:
        return await addresses_of(host, ALLOWED)
    except NotSent as refused:
        raise PermissionError(refused.note) from None


async def by_kit(url: str) -> None:
    assert await complaint(url, permit) is not None, "there is nobody who speaks any of this"


async def by_client(url: str) -> None:
    client = GuardedClient(ALLOWED, limit_bytes=1000, timeout_s=5)
    try:
        with pytest.raises(CallFailed):
            await client.request("GET", url, headers={})
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("url", "use"),
    [
        ("http://{}/", by_client),
        ("http://{}/", by_kit),
        ("redis://{}/0", by_kit),
        ("smtp://{}", by_kit),
        ("postgres://u:p@{}/db?sslmode=disable", by_kit),
    ],
)
async def test_a_name_is_asked_for_once(resolver: list[str], url: str, use: Callable[[str], Any]) -> None:
    async with listening(None) as wire:
        await use(url.format(f"{NAME}:{wire.port}"))
    assert (set(wire.reached), resolver) == ({PUBLIC}, [])


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    ("url", "use"),
    [("https://{}/", by_client), ("https://{}/", by_kit), ("rediss://{}/0", by_kit), ("smtps://{}", by_kit)],
)
async def test_encrypted_it_is_still_the_name_that_is_meant(
    tmp_path: Path, url: str, use: Callable[[str], Any]
) -> None:
    async with listening(tmp_path) as wire:
        await use(url.format(f"{NAME}:{wire.port}"))
    assert set(wire.names) == {NAME}
    assert PRIVATE not in wire.reached


async def test_a_port_of_which_nothing_is_known_is_reached_at_the_same_address(resolver: list[str]) -> None:
    async with listening(None) as wire:
        assert await complaint(f"mongodb://{NAME}:{wire.port}/", permit) is None
        assert await complaint(f"mongodb://{NAME}:{wire.port}/", permit) == "the address is not a public one"
        await asyncio.sleep(0)
    assert (PRIVATE in wire.reached, resolver) == (False, [])
