"""The guarded HTTP client: every address checked, no redirects, bounded in time and size, and never inside a transaction."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM
from typing import Any, Final

import httpcore
import httpx

from broker.kernel.db import in_transaction

Network = IPv4Network | IPv6Network
_CONNECT_S: Final = 5.0


class CallFailed(Exception):
    """The call gave no usable answer. `note` names the cause without quoting anything that was sent."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class NotSent(CallFailed):
    """The request never reached the other side."""


class Lost(CallFailed):
    """The request may have been received; its answer was not."""


class TooLarge(CallFailed):
    """The answer exceeds what the broker reads."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole."""

    status: int
    headers: httpx.Headers
    body: bytes


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, checks every address, connects to a checked one: no rebinding between check and use."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _resolve(host, port)
        if any(not self._may_reach(address) for address in addresses):
            raise httpcore.ConnectError("the address is not a public one")
        return await self._inner.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not used")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def _may_reach(self, address: IPv4Address | IPv6Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None) or address
        public = mapped.is_global and not mapped.is_multicast
        return public or any(mapped in network for network in self._allowed if network.version == mapped.version)


async def _resolve(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("the host name does not resolve") from None
    addresses = [ip_address(str(info[4][0]).split("%")[0]) for info in found]
    if not addresses:
        raise httpcore.ConnectError("the host name does not resolve")
    return addresses


class GuardedClient:
    """One pool of connections to the outside.

    Raises (from `request`): NotSent, Lost, TooLarge; RuntimeError if called with a database transaction open.
    """

    def __init__(self, allowed: Sequence[Network], *, limit_bytes: int, timeout_s: float) -> None:
        self._limit = limit_bytes
        self._timeout = timeout_s
        transport = httpx.AsyncHTTPTransport(retries=0)
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=5,
            network_backend=_GuardedBackend(allowed),
        )
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
        )

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None, auth: tuple[str, str]
    ) -> Response:
        """Send one request and read the answer whole, within the bounds."""
        if in_transaction():
            raise RuntimeError("a provider must not be called while a transaction is open")
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(method, url, headers, content, auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise NotSent(_cause(error)) from None
        except httpx.InvalidURL:
            raise NotSent("the URL is malformed") from None
        except httpx.DecodingError:
            raise Lost("the answer's encoding is broken") from None
        except (httpx.TransportError, TimeoutError) as error:
            raise Lost(_cause(error)) from None

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, auth: tuple[str, str]
    ) -> Response:
        async with self._client.stream(method, url, headers=headers, content=content, auth=auth) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limit:
                    raise TooLarge(f"more than {self._limit} bytes of answer")
            return Response(response.status_code, response.headers, bytes(body))

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _cause(error: BaseException) -> str:
    known = {"the address is not a public one", "the host name does not resolve"}
    return str(error) if str(error) in known else type(error).__name__
