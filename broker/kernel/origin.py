"""From where a request came: bound once at the edge, so that every fact recorded on the way can tell. Work of the broker has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """The address of whoever sent a request, as far as it is known, and the id that the request was given."""

    address: str | None = None
    request_id: UUID | None = None

    @property
    def place(self) -> str | None:
        """What attempts are counted by: the address, or of IPv6 its network of 64 bits, all of which one subscriber has."""
        try:
            known = ip_address(self.address or "")
        except ValueError:
            return self.address
        if not isinstance(known, IPv6Address):
            return self.address
        return str(known.ipv4_mapped or ip_network((int(known), 64), strict=False))


_NOWHERE: Final = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def current_origin() -> Origin:
    """That of the request that is being answered."""
    return _origin.get()


@contextmanager
def bound_origin(origin: Origin) -> Iterator[None]:
    """Answer a request from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
