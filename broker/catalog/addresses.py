"""Where a pushed manifest may lead the broker: a partner's URL must not reach into the operator's own network.

Only what the manifest itself tells is checked here; where a host name leads is checked at every call, by `outbound`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import urlsplit

from broker.catalog.faults import Fault
from broker.catalog.reading import is_loopback
from broker.kernel.public_addresses import Address, Network, is_public, meant

_LOOPBACK: Final = ip_address("127.0.0.1")
_KEYS: Final = ("production", "test")
_ENDS_IN_A_NUMBER: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?$")


def insecure_allowed(networks: Sequence[Network]) -> bool:
    """Whether this installation is for development: providers on its own loopback address are let in."""
    return any(_within(_LOOPBACK, [network]) for network in networks)


def address_faults(contents: Mapping[str, Any], networks: Sequence[Network]) -> list[Fault]:
    """The URLs of the manifest that lead to addresses which are neither public nor in one of these networks."""
    advice = "leads to an address that is not public: give the public address of your program."
    return [Fault(path, advice) for path, url in _urls(contents.get("api")) if not _reachable(url, networks)]


def _urls(api: object) -> Iterator[tuple[str, str]]:
    for key in _KEYS if isinstance(api, Mapping) else ():
        value = api.get(key) if isinstance(api, Mapping) else None
        # Like the parser, look at `test` only when there is nothing better.
        if value is not None:
            yield from _strings(value, f"/api/{key}")
            return


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        yield from ((f"{path}/{key}", url) for key in ("base_url", "sso_url") if isinstance(url := value.get(key), str))


def _reachable(url: str, networks: Sequence[Network]) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return True  # not a URL at all, as the parser will say
    address = _address(host) if host else None
    return address is None or is_public(address) or _within(address, networks)


def _address(host: str) -> Address | None:
    """The address that a host spells, if it spells one. The old ways of writing one, which resolvers understand and
    nobody needs, count as loopback.
    """
    plain = normalize("NFKC", host)
    if is_loopback(plain):
        return _LOOPBACK
    try:
        return meant(ip_address(plain))
    except ValueError:
        return _LOOPBACK if _ENDS_IN_A_NUMBER.search(plain) else None


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
