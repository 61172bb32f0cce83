"""Which addresses are public: the one rule for what is written in a URL and for where a name leads at the time of a call."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_NAT64: Final = ip_network("64:ff9b::/96")


def meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does: a gateway would lead there."""
    if isinstance(address, IPv4Address):
        return address
    translated = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or translated or address


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant by it."""
    found = meant(address)
    return found.is_global and not found.is_multicast
