import asyncio
import gzip
import zlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.kernel.context import Context
from broker.outbound.http import GuardedClient, Lost, NotSent, Response, TooLarge
from embedded.processes import free_port
from tests.outbound.conftest import LIMIT_BYTES, LOOPBACK, TIMEOUT_S
from tests.outbound.wire import hang_up, http, listening


async def get(client: GuardedClient, url: str) -> Response:
    return await client.request("GET", url, headers={}, auth=("user", "word"))


async def test_an_answer_is_read_whole(client: GuardedClient) -> None:
    async with listening(http(201, "hello", x_more="yes")) as wire:
        answer = await get(client, wire.url)
    assert (answer.status, answer.body, answer.headers["x-more"]) == (201, b"hello", "yes")


async def test_a_redirect_is_answered_and_never_followed(client: GuardedClient) -> None:
    async with listening(http(200)) as target, listening(http(302, location=target.url)) as wire:
        assert (await get(client, wire.url)).status == 302
        assert target.connections == 0


async def test_provisional_answers_are_passed_over(client: GuardedClient) -> None:
    async with listening(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + http(200, "final")) as wire:
        assert (await get(client, wire.url)).body == b"final"


async def test_a_provider_leaves_no_cookie_behind(client: GuardedClient) -> None:
    async with listening(http(200, set_cookie="a=b; Path=/"), http(200)) as wire:
        await get(client, wire.url)
        await get(client, wire.url)
    assert [request.headers.get("cookie") for request in wire.requests] == [None, None]


async def test_the_environment_of_the_process_names_no_proxy(
    client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fresh = GuardedClient(LOOPBACK, limit_bytes=LIMIT_BYTES, timeout_s=TIMEOUT_S)
    async with listening(http(200)) as wire:
        assert (await get(fresh, wire.url)).status == 200
    await fresh.close()


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", gzip.compress(b"{}", mtime=0)), ("deflate", zlib.compress(b"{}"))]
)
async def test_compression_that_nobody_asked_for_is_understood(client: GuardedClient, coding: str, body: bytes) -> None:
    async with listening(http(200, body, content_encoding=coding)) as wire:
        assert (await get(client, wire.url)).body == b"{}"
    assert wire.requests[0].headers["accept-encoding"] == "identity"


async def test_a_compressed_bomb_is_unpacked_no_further_than_the_limit(client: GuardedClient) -> None:
    bomb = gzip.compress(bytes(15_000_000))
    assert len(bomb) < LIMIT_BYTES
    async with listening(http(200, bomb, content_encoding="gzip")) as wire:
        with pytest.raises(TooLarge):
            await get(client, wire.url)


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", b"no gzip"), ("gzip", gzip.compress(b"x" * 99, mtime=0)[:20]), ("br", b"x"), ("gzip, gzip", b"")],
)
async def test_an_encoding_that_cannot_be_read_leaves_the_outcome_unknown(
    client: GuardedClient, coding: str, body: bytes
) -> None:
    async with listening(http(200, body or b"y", content_encoding=coding)) as wire:
        with pytest.raises(Lost, match="encoding"):
            await get(client, wire.url)


async def test_a_body_at_the_limit_is_read_and_one_beyond_is_not(client: GuardedClient) -> None:
    async with listening(http(200, b"x" * LIMIT_BYTES), http(200, b"x" * (LIMIT_BYTES + 1))) as wire:
        assert len((await get(client, wire.url)).body) == LIMIT_BYTES
        with pytest.raises(TooLarge):
            await get(client, wire.url)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(TIMEOUT_S / 10)


async def hints_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(TIMEOUT_S / 10)


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    hang_up(writer, reset=True)


async def goodbye(writer: asyncio.StreamWriter) -> None:
    hang_up(writer)


async def half(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    await writer.drain()
    hang_up(writer)


async def test_an_endless_body_is_cut_off_and_its_connection_closed(client: GuardedClient) -> None:
    async with listening(flood) as wire, asyncio.timeout(5):
        with pytest.raises(TooLarge):
            await get(client, wire.url)
        await wire.peer_gone.wait()


@pytest.mark.parametrize("script", [trickle, hints_for_ever, silence])
async def test_one_bound_holds_for_the_whole_call(client: GuardedClient, script: object) -> None:
    started = asyncio.get_running_loop().time()
    async with listening(script) as wire:
        with pytest.raises(Lost):
            await get(client, wire.url)
    assert asyncio.get_running_loop().time() - started < TIMEOUT_S + 1


@pytest.mark.parametrize(
    "script", [reset, goodbye, half, b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad header\x00: \x01\r\n\r\n"]
)
async def test_whatever_ends_a_call_after_it_was_sent_leaves_the_outcome_unknown(
    client: GuardedClient, script: object
) -> None:
    async with listening(script) as wire:
        with pytest.raises(Lost):
            await get(client, wire.url)
    assert len(wire.requests) == 1, "the client itself repeats nothing"


async def test_a_refused_connection_was_not_sent(client: GuardedClient) -> None:
    with pytest.raises(NotSent):
        await get(client, f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("host", ["nowhere.localhost", "a" * 64 + ".localhost", "a..localhost"])
async def test_a_host_that_does_not_resolve_was_not_sent(client: GuardedClient, host: str) -> None:
    with pytest.raises(NotSent):
        await get(client, f"http://{host}/")


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://[::1/", "http://0177.0.0.1/", "/path"]
)
async def test_a_url_that_is_none_was_not_sent(client: GuardedClient, url: str) -> None:
    with pytest.raises(NotSent):
        await get(client, url)


async def test_tls_that_fails_was_not_sent(client: GuardedClient, tmp_path: Path) -> None:
    async with listening(http(200)) as plain:
        with pytest.raises(NotSent):
            await get(client, f"https://127.0.0.1:{plain.port}/")
    async with listening(http(200), tls=self_signed(tmp_path)) as wire:
        with pytest.raises(NotSent):
            await get(client, f"https://127.0.0.1:{wire.port}/")
    assert (plain.requests, wire.requests) == ([], [])


def self_signed(folder: Path) -> SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
    ],
)
async def test_this_machine_is_out_of_reach_in_every_spelling(strict_client: GuardedClient, host: str) -> None:
    async with listening(http(200)) as wire:
        with pytest.raises(NotSent, match="not a public one"):
            await get(strict_client, f"http://{host}:{wire.port}/")
    assert wire.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::1]",
        "[fd00::1]",
        "[fe80::1]",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_no_private_network_is_reached_and_a_network_allowed_is_no_other(
    client: GuardedClient, host: str
) -> None:
    with pytest.raises(NotSent, match="not a public one"):
        await get(client, f"http://{host}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_an_allowed_network_is_reached(client: GuardedClient, host: str) -> None:
    async with listening(http(200)) as wire:
        assert (await get(client, f"http://{host}:{wire.port}/")).status == 200


async def test_one_that_may_be_reached_is_taken_when_another_may_not() -> None:
    """`localhost` is two addresses on most machines; the server listens on one."""
    both = GuardedClient((*LOOPBACK, ip_network("::1/128")), limit_bytes=LIMIT_BYTES, timeout_s=TIMEOUT_S)
    async with listening(http(200)) as wire:
        assert (await get(both, f"http://localhost:{wire.port}/")).status == 200
    await both.close()


async def test_nothing_is_sent_while_a_transaction_is_open(client: GuardedClient, ctx: Context) -> None:
    async with listening(http(200)) as wire:
        async with ctx.database.transaction():
            with pytest.raises(RuntimeError, match="transaction"):
                await get(client, wire.url)
        assert wire.connections == 0
        assert (await get(client, wire.url)).status == 200
