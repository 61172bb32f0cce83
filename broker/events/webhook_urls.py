"""Which URLs a webhook may have. Names are looked up when something is sent, and checked again then, by `outbound/http.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from broker.kernel.errors import InvalidParams
from broker.kernel.public_addresses import Address, Network, is_public, meant

Networks = Sequence[Network]
_LONGEST: Final = 2000
_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class ReceiverUrl:
    """An acceptable URL, and the host with port that it leads to."""

    text: str
    host: str


def checked_url(text: str, allowed: Networks) -> ReceiverUrl:
    """The URL of a receiver: https, or http within the networks that this installation allows for development.

    Raises: InvalidParams.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidParams("url: is not a URL; write it as https://host/path.") from None
    complaint = _complaint(text, parts) or _complaint_of_place(parts.scheme, host or "", allowed)
    if complaint:
        raise InvalidParams(f"url: {complaint}")
    return ReceiverUrl(text, f"{host}:{port or _PORTS[parts.scheme]}")


def _complaint(text: str, parts: SplitResult) -> str | None:
    if parts.scheme not in _PORTS or not parts.hostname:
        return "must be an absolute URL; write it as https://host/path."
    if len(text) > _LONGEST or not (text.isascii() and text.isprintable()) or " " in text:
        return f"must have at most {_LONGEST} ASCII characters, without blanks; encode others with %."
    if "@" in parts.netloc:
        return "must not contain a user or password; give them as `authorization`, which is kept secret."
    if parts.fragment:
        return "must not contain a fragment; leave out what follows the #."
    return None


def _complaint_of_place(scheme: str, host: str, allowed: Networks) -> str | None:
    address = _address(host)
    inside = address is not None and any(address in net for net in allowed if net.version == address.version)
    if address is not None and not is_public(address) and not inside:
        return "must lead to a public address; the broker sends nothing into private networks."
    if scheme == "http" and not inside:
        return "must begin with https:// (plain http is possible in development only)."
    return None


def _address(host: str) -> Address | None:
    """The address that is written there, if it is no name; `localhost` is one by definition."""
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    try:
        return meant(ip_address(host))
    except ValueError:
        return None
