"""Chooses the port that an instance gets for its life."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection
from contextlib import closing


class NoPort(Exception):
    """Every port of the range is given away or in use."""


def choose_port(host: str, lowest: int, highest: int, taken: Collection[int]) -> int:
    """A port that no instance has and nobody listens on; by chance, so that two providers on a host rarely meet.

    Raises: NoPort.
    """
    span = highest - lowest + 1
    offset = secrets.randbelow(span)
    for step in range(span):
        port = lowest + (offset + step) % span
        if port not in taken and _is_free(host, port):
            return port
    raise NoPort


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
