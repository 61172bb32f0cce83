"""Bytes that are hardly HTTP, sent to the real server: it refuses or hangs up, and goes on serving everybody else."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from broker.kernel.vault import Vault
from tests.engines import new_database
from tests.wire.serving import Served, served

NONSENSE = {
    "nothing": b"",
    "zeroes": b"\0" * 1000,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500,
    "no line end": b"GET /apps" + b"A" * 100_000,
    "no version": b"GET /apps\r\n\r\n",
    "another protocol": b"EHLO there\r\nQUIT\r\n",
    "an old HTTP": b"GET /apps HTTP/0.9\r\n\r\n",
    "a new HTTP": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method of rubbish": b"\xff\xfe /apps HTTP/1.1\r\nHost: x\r\n\r\n",
    "a raw zero in the path": b"GET /apps/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the path": b"GET /apps/\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without slash": b"GET apps HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a proxy request": b"GET http://evil.example.com/apps HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT evil.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without colon": b"GET /apps HTTP/1.1\r\nHost x\r\n\r\n",
    "a header with a line break": b"GET /apps HTTP/1.1\r\nHost: x\r\nA: b\n c\r\r\n\r\n",
    "a header of 1 MB": b"GET /apps HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "10000 headers": b"GET /apps HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "a path of 100 kB": b"GET /apps/" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a negative length": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length that is no number": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size of rubbish": b"POST /apps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk size of 2**70": b"POST /apps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400000000000000000\r\n",
    "an unfinished body": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "a length of an exabyte": b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n{",
    "an upgrade": b"GET /apps HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres_url: str, migrated_database: str, vault: Vault) -> Iterator[Served]:
    with new_database(postgres_url, migrated_database.rsplit("/", 1)[1]) as url, served(url, vault) as shop:
        yield shop


def answer_to(server: Served, sent: bytes) -> bytes:
    """What is answered until the server hangs up; our half of the connection is closed after sending."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        with suppress(ConnectionResetError, BrokenPipeError):  # when it hangs up while we still talk
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        return received


def client_of(server: Served) -> httpx.Client:
    headers = {"authorization": f"Bearer {server.token}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=10)


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_refused_or_hung_up_on_and_others_are_served(server: Served, kind: str) -> None:
    with client_of(server) as other:
        before = other.get("/apps").json()
        with_token = NONSENSE[kind].replace(
            b"Host: x\r\n", b"Host: x\r\nAuthorization: Bearer " + server.token.encode() + b"\r\n"
        )
        for sent in (NONSENSE[kind], with_token):
            answered = answer_to(server, sent)
            assert answered == b"" or answered[:12] == b"HTTP/1.1 200" or answered[:10] == b"HTTP/1.1 4", answered[:200]
        assert other.get("/apps").json() == before


def test_a_body_in_chunks_is_refused_when_it_is_too_long(server: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    with client_of(server) as client:
        with suppress(httpx.WriteError):  # when it has answered and hung up while we were still sending
            answer = client.post("/apps", content=endless(), headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["id"]) == (413, "payload_too_large")
        assert client.get("/apps").status_code == 200


def test_a_client_that_hangs_up_is_no_failure(server: Served, capfd: pytest.CaptureFixture[str]) -> None:
    head = f"POST /apps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nContent-Length: 9\r\n\r\n{{"
    answer_to(server, head.encode())
    with client_of(server) as client:
        assert client.get("/apps").status_code == 200
    assert "request.failed" not in "".join(capfd.readouterr())


def test_a_length_that_is_too_long_is_refused_before_the_body_is_sent(server: Served) -> None:
    head = f"POST /apps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nContent-Length: 2000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        answered = connection.recv(65536)
    assert answered.startswith(b"HTTP/1.1 413 ")


def test_two_hundred_connections_that_say_nothing_keep_nobody_out(server: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(200)]
    try:
        for connection in silent[:100]:
            connection.sendall(b"POST /apps HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        with client_of(server) as client:
            assert client.get("/apps").status_code == 200
    finally:
        for connection in silent:
            connection.close()
