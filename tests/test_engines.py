"""The test machinery itself: a mistake here would make every other test worth less."""

import socket

import asyncpg
import pytest

from tests.loopback import OutsideWorldError


async def test_the_server_of_the_tests_has_what_the_broker_needs(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        version, encoding = await connection.fetchrow(
            "select uuid_extract_version(uuidv7()), current_setting('server_encoding')"
        )
    finally:
        await connection.close()
    assert (version, encoding) == (7, "UTF8")


def test_another_machine_cannot_be_reached() -> None:
    with socket.socket() as plain, pytest.raises(OutsideWorldError):
        plain.connect(("192.0.2.1", 80))


def test_no_name_server_is_asked() -> None:
    with pytest.raises(OutsideWorldError):
        socket.getaddrinfo("broker.invalid", 80)


def test_localhost_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
