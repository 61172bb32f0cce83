"""The rule that a test talks to this machine only: anything else raises at once, instead of hanging or leaking."""

import ipaddress
import socket
import sys
from typing import Any


class OutsideWorldError(AssertionError):
    """A test tried to reach another machine. Not an OSError, so that code under test cannot mistake it for one."""


def refuse_the_outside_world() -> None:
    """From now on, in this process. An audit hook cannot be taken back, which is the point."""
    sys.addaudithook(_check)


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not _is_local(address[0]):  # a unix socket's address is text or bytes
            raise OutsideWorldError(f"{event} to {address[0]}: tests stay on the loopback interface")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not _is_resolvable(arguments[0]):
        raise OutsideWorldError(f"{event} for {arguments[0]!r}: tests ask no name server")


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return _is_resolvable(host)


def _is_resolvable(host: str | bytes | None) -> bool:
    """Names and numbers that are answered without asking another machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_number(name)


def _is_number(name: str) -> bool:
    """An address, in the odd spellings too that resolvers take for one, such as 2130706433."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        try:
            socket.inet_aton(name)
        except OSError:
            return False
    return True
