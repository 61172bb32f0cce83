"""The choice of an instance's port."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from embedded.processes import free_port
from providers.redis.ports import NoPort, choose_port


def test_a_port_that_somebody_listens_on_is_not_chosen() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(NoPort):
            choose_port("127.0.0.1", port, port, [])


def test_a_port_of_a_stopped_instance_is_not_given_away() -> None:
    port = free_port()
    with pytest.raises(NoPort):
        choose_port("127.0.0.1", port, port, [port])


def test_the_last_free_port_of_a_range_is_found() -> None:
    port = free_port()
    assert choose_port("127.0.0.1", port, port, [port + 1]) == port
