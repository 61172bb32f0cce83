"""The guarded HTTP client: every address checked, no redirects, bounded in time and size, and never inside a transaction."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Any, Final

import httpcore
import httpx

from broker.kernel.db import in_transaction
from broker.kernel.public_addresses import Address, Network, is_public, meant

_CONNECT_S: Final = 5.0
_KEEPALIVE_S: Final = 2.0
"""Shorter than what servers allow (5 s is common): a connection closed under a request leaves its outcome unknown."""

_NOT_PUBLIC: Final = "the address is not a public one"
_NO_SUCH_HOST: Final = "the host name does not resolve"


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
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(await _resolve(host, port), port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("no connection in time") from None

    async def _connect(self, addresses: Sequence[Address], port: int, *more: Any) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that may be reached and answers."""
        if not 0 < port < 1 << 16:
            raise httpcore.ConnectError("no such port")
        failure = httpcore.ConnectError(_NOT_PUBLIC)
        for address in filter(self._may_reach, addresses):
            try:
                return await self._inner.connect_tcp(str(address), port, None, *more)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not used")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def _may_reach(self, address: Address) -> bool:
        return _may_reach(address, self._allowed)


def _may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    found = meant(address)
    return is_public(found) or any(found in network for network in allowed if network.version == found.version)


async def addresses_of(host: str, allowed: Sequence[Network]) -> list[str]:
    """Where this host may be reached, for those whose connections are not made here. They connect to one of these addresses and do
    not ask for the name again: another answer could lead elsewhere.

    Raises: NotSent if it does not resolve, or any of its addresses may not be reached.
    """
    try:
        found = await _resolve(host, 0)
    except httpcore.ConnectError as error:
        raise NotSent(str(error)) from None
    if not all(_may_reach(address, allowed) for address in found):
        raise NotSent(_NOT_PUBLIC)
    return [str(address) for address in found]


def guarded_transport(allowed: Sequence[Network]) -> httpx.AsyncHTTPTransport:
    """What connects to public addresses and to allowed ones alone, for an HTTP client."""
    trusted = ssl.create_default_context()
    transport = httpx.AsyncHTTPTransport(verify=trusted)
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=trusted,
        max_connections=200,
        max_keepalive_connections=50,
        keepalive_expiry=_KEEPALIVE_S,
        network_backend=_GuardedBackend(allowed),
    )
    return transport


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError(_NO_SUCH_HOST) from None
    return [ip_address(str(info[4][0]).split("%")[0]) for info in found]


class GuardedClient:
    """One pool of connections to the outside.

    Raises (from `request`): NotSent, Lost, TooLarge; RuntimeError if called with a database transaction open.
    """

    def __init__(self, allowed: Sequence[Network], *, limit_bytes: int, timeout_s: float) -> None:
        self._limit = limit_bytes
        self._timeout = timeout_s
        self._client = httpx.AsyncClient(
            transport=guarded_transport(allowed),
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # no provider leaves anything behind here
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s / 2)),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Response:
        """Send one request and read the answer whole, within the bounds."""
        if in_transaction():
            raise RuntimeError("a provider must not be called while a transaction is open")
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(method, url, headers, content, auth)
        except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
            raise _failure(error) from None

    async def status_of(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes) -> int:
        """Send one request and read the status of the answer. Its body is read as far as the limit, and thrown away.

        Whatever goes wrong once the status is there does not matter any more.
        """
        if in_transaction():
            raise RuntimeError("nobody may be called while a transaction is open")
        status: int | None = None
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(method, url, headers=headers, content=content) as response,
            ):
                status, size = response.status_code, 0
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > self._limit:
                        break
        except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
            if status is None:
                raise _failure(error) from None
        return status

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        auth: tuple[str, str] | None,
    ) -> Response:
        async with self._client.stream(method, url, headers=headers, content=content, auth=auth) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                self._check_size(body)
            coding = response.headers.get("content-encoding", "")
            return Response(response.status_code, response.headers, self._decoded(bytes(body), coding.strip().lower()))

    def _decoded(self, body: bytes, coding: str) -> bytes:
        """The body without a compression that nobody asked for, unpacked no further than the limit."""
        if not body or coding in ("", "identity"):
            return body
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise Lost("the answer's encoding is not one that was asked for")
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            whole = unpacking.decompress(body, self._limit + 1)
        except zlib.error:
            raise Lost("the answer's encoding is broken") from None
        self._check_size(whole)
        if not unpacking.eof:
            raise Lost("the answer's encoding is broken")
        return whole

    def _check_size(self, body: bytes | bytearray) -> None:
        if len(body) > self._limit:
            raise TooLarge(f"more than {self._limit} bytes of answer")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _failure(error: BaseException) -> CallFailed:
    """Whether the request may have arrived, by what went wrong."""
    if isinstance(error, httpx.InvalidURL):
        return NotSent("the URL is malformed")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return NotSent(_cause(error))
    return Lost(_cause(error))


def _cause(error: BaseException) -> str:
    return str(error) if str(error) in (_NOT_PUBLIC, _NO_SUCH_HOST) else type(error).__name__
