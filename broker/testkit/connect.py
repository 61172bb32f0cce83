"""Whether the addresses that a provider gives as config work: connects to each with the client of its kind."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import aiosmtplib
import httpx
import psycopg
import valkey.asyncio
from psycopg.conninfo import conninfo_to_dict
from valkey.asyncio.connection import SSLConnection
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ValkeyError

_WITHIN_S: Final = 10.0
_SMTP_PORT: Final = 587
_OF_POSTGRES: Final = frozenset(
    "user password host port dbname sslmode channel_binding gssencmode application_name connect_timeout options"
    " target_session_attrs".split()
)
_OF_REDIS: Final = frozenset(("db", "protocol", "client_name", "ssl_cert_reqs"))
"""What an address may say to its client. Others name files of this machine, to be read or even written, or other hosts."""
_UNFIT: Final = (OSError, ValueError, TypeError, AttributeError, httpx.InvalidURL)
"""What clients raise besides their own errors: some hand on whatever the address says as arguments."""
_FAILURES: Final = (
    psycopg.Error, ValkeyError, aiosmtplib.SMTPException, smtplib.SMTPException, httpx.HTTPError, *_UNFIT
)  # fmt: skip


Attempt = Callable[[SplitResult, str | None], Awaitable[None]]
"""Connects to an address: to the host as the client resolves it, or to this address of it alone."""
Permit = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses at which a host may be reached. Raises: PermissionError with the reason why it may not."""


async def complaint(value: object, permit: Permit | None = None) -> str | None:
    """What is wrong with the address, or None: it works, or it is none that the kit knows how to try."""
    url = address(value)
    attempt = _attempt(url) if url else None
    if url is None or attempt is None:
        return None
    try:
        if permit and (refusal := _misread(url)):
            return refusal
        async with asyncio.timeout(_WITHIN_S):
            return await _tried(attempt, url, await permit(url.hostname or "") if permit else [None])
    except TimeoutError:
        return f"nothing answered within {_WITHIN_S:g} s"
    except _UNFIT as error:
        return _first_line(error)


async def _tried(attempt: Attempt, url: SplitResult, addresses: Sequence[str | None]) -> str | None:
    """What is wrong at the last of these addresses of the host, or None if one works."""
    wrong = None
    for address in addresses:
        try:
            await attempt(url, address)
        except TimeoutError:
            wrong = f"nothing answered within {_WITHIN_S:g} s"
        except _FAILURES as error:
            wrong = _first_line(error)
        else:
            return None
    return wrong


def address(value: object) -> SplitResult | None:
    """The value as an address that can be tried, None if it is something else."""
    if not isinstance(value, str) or "://" not in value:
        return None
    try:
        url = urlsplit(value)
        known = url.scheme in _BY_SCHEME or url.port is not None
    except ValueError:
        return None
    return url if known and url.hostname else None


def tried(config: Mapping[str, object]) -> list[str]:
    """The names of config vars that hold an address which can be tried."""
    return [name for name, value in config.items() if address(value)]


def _misread(url: SplitResult) -> str | None:
    """Clients read addresses in their own ways: only where theirs and ours agree on the host, it is the one that is asked about."""
    host = url.hostname or ""
    if "%" in host or "," in host:
        return "the host name is malformed"
    if url.scheme.startswith("postgres"):
        said = conninfo_to_dict(url.geturl())
        if str(said.get("host")).lower() != host:
            return "the address names another host"
        names, known = {name for name, given in said.items() if given is not None}, _OF_POSTGRES
    else:
        names, known = {name for name, _ in parse_qsl(url.query, keep_blank_values=True)}, _OF_REDIS
    if url.scheme in _CLIENTS and (others := sorted(names - known)):
        return f"the address says more than is tried from here: {', '.join(others)}"
    return None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


async def _postgres(url: SplitResult, address: str | None) -> None:
    at: dict[str, Any] = {} if address is None else {"hostaddr": address}
    connection = await psycopg.AsyncConnection.connect(url.geturl(), connect_timeout=int(_WITHIN_S), **at)
    async with connection:
        await connection.execute("SELECT 1")


class _NamedConnection(SSLConnection):
    """One that is made to an address, and asks for the certificate of a name."""

    def __init__(self, *, server_name: str, **options: Any) -> None:
        super().__init__(**options)
        self._server_name = server_name

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self._server_name}


async def _redis(url: SplitResult, address: str | None) -> None:
    # Asked once; whether the certificate is one to trust is the app's affair.
    options: dict[str, Any] = {"ssl_cert_reqs": "none"} if url.scheme == "rediss" else {}
    client = valkey.asyncio.Valkey.from_url(
        url.geturl(), socket_timeout=_WITHIN_S, retry=Retry(NoBackoff(), 0), **options
    )
    if address is not None:
        pool = client.connection_pool
        pool.connection_kwargs["host"] = address
        if url.scheme == "rediss":
            pool.connection_class = _NamedConnection
            pool.connection_kwargs["server_name"] = url.hostname
    try:
        await client.ping()
    finally:
        await client.aclose()


async def _smtp(url: SplitResult, address: str | None) -> None:
    port = url.port or _SMTP_PORT
    where: dict[str, Any] = {"port": port} if address is None else {"sock": await _socket(address, port)}
    client = aiosmtplib.SMTP(
        hostname=url.hostname,
        **where,
        use_tls=url.scheme == "smtps",
        validate_certs=False,
        timeout=_WITHIN_S,
    )
    async with client:
        if url.username is not None:
            await client.login(unquote(url.username), unquote(url.password or ""))
        await client.noop()


async def _socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:  # whoever stops waiting leaves nothing open either
        made.close()
        raise
    return made


async def _http(url: SplitResult, address: str | None) -> None:
    meant = httpx.URL(url.geturl())
    at, known_as = (meant, {}) if address is None else (meant.copy_with(host=address), {"sni_hostname": meant.host})
    async with (
        httpx.AsyncClient(timeout=_WITHIN_S, trust_env=False, headers={"host": meant.netloc.decode()}) as client,
        client.stream("GET", at, extensions=known_as) as answer,  # however much it is, the status is all that counts
    ):
        if answer.status_code >= 500:
            raise ValueError(f"it answers {answer.status_code}")


async def _reach(url: SplitResult, address: str | None) -> None:
    _, writer = await asyncio.open_connection(address or url.hostname, url.port)
    with closing(writer):
        await asyncio.sleep(0)


_BY_SCHEME: Final[Mapping[str, Attempt]] = {
    "postgres": _postgres,
    "postgresql": _postgres,
    "redis": _redis,
    "rediss": _redis,
    "smtp": _smtp,
    "smtps": _smtp,
    "http": _http,
    "https": _http,
}


_CLIENTS: Final = ("postgres", "postgresql", "redis", "rediss")
"""Schemes whose clients take arguments from the address."""


def _attempt(url: SplitResult) -> Attempt | None:
    """Of other schemes only the port is tried."""
    return _BY_SCHEME.get(url.scheme) or (_reach if url.port else None)
