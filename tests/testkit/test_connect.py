"""Addresses in config as the canary tries them: what a provider writes leads nowhere that was not asked about."""

import asyncio
from pathlib import Path

import pytest

from broker.testkit.connect import complaint


async def nowhere(host: str) -> list[str]:
    """Lets one public host pass, and nothing of this machine."""
    if host != "public.example":
        raise PermissionError(f"{host} is refused")
    return ["192.0.2.1"]


@pytest.mark.parametrize(
    "address",
    [
        "postgres://u@127.0.0.1:5432,x@public.example/db",
        "postgres://public.example#@127.0.0.1/db",
        "postgres://public.example?@127.0.0.1/db",
        "postgres://public.example/db?host=127.0.0.1",
        "postgresql://public.example/db#?hostaddr=127.0.0.1",
        "postgres://public.example,127.0.0.1/db",
        "postgres://public.example/db?service=x",
        "postgres://public.example/db?sslkey=/etc/hostname",
        "redis://public%2eexample/0",
        "redis://public.example/0?ssl_keyfile=/etc/hostname",
        "redis://public.example/0?host=127.0.0.1",
        "http://127.0.0.1/",
    ],
)
async def test_an_address_that_its_client_reads_otherwise_is_not_tried(address: str) -> None:
    why = await complaint(address, nowhere)
    assert why is not None
    assert why.startswith(("the address ", "the host name is malformed", "127.0.0.1 is refused")), why


async def test_no_address_writes_a_file_here(tmp_path: Path) -> None:
    wanted = tmp_path / "keys"
    address = f"postgres://public.example/db?sslmode=require&sslkeylogfile={wanted}"
    assert await complaint(address, nowhere) == "the address says more than is tried from here: sslkeylogfile"
    assert not wanted.exists()


@pytest.mark.parametrize(
    "address",
    [
        "redis://127.0.0.1:1/0?foo=bar",
        "redis://127.0.0.1:1/?retry=1",
        "http://127.0.0.1:1/\x7f",
        "http://127.0.0.1:1:2/",
    ],
)
async def test_an_address_that_its_client_chokes_on_does_not_work(address: str) -> None:
    assert await complaint(address)


@pytest.mark.parametrize(("status", "why"), [("200 OK", None), ("503 Service Unavailable", "it answers 503")])
async def test_of_a_web_address_the_status_counts_however_long_the_answer_is(status: str, why: str | None) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 1000000000000\r\n\r\nand so on".encode())
        await writer.drain()
        while await reader.read(1000):
            pass
        writer.close()

    async with await asyncio.start_server(endless, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        assert await complaint(f"http://127.0.0.1:{port}/") == why
