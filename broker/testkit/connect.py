"""Whether the addresses that a provider gives as config work: connects to each with the client of its kind."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import aiosmtplib
import httpx
import psycopg
import valkey.asyncio
from psycopg.conninfo import conninfo_to_dict
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


Permit = Callable[[str], Awaitable[str | None]]
"""Why no connection is to be made to a host, None if it may be."""


async def complaint(value: object, permit: Permit | None = None) -> str | None:
    """What is wrong with the address, or None: it works, or it is none that the kit knows how to try."""
    url = address(value)
    attempt = _attempt(url) if url else None
    if url is None or attempt is None:
        return None
    try:
        if permit and (refusal := await _refusal(url, permit)):
            return refusal
        async with asyncio.timeout(_WITHIN_S):
            await attempt(url)
    except TimeoutError:
        return f"nothing answered within {_WITHIN_S:g} s"
    except (psycopg.Error, ValkeyError, aiosmtplib.SMTPException, smtplib.SMTPException, httpx.HTTPError) as error:
        return _first_line(error)
    except _UNFIT as error:
        return _first_line(error)
    return None


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


async def _refusal(url: SplitResult, permit: Permit) -> str | None:
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
    return await permit(host)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


async def _postgres(url: SplitResult) -> None:
    connection = await psycopg.AsyncConnection.connect(url.geturl(), connect_timeout=int(_WITHIN_S))
    async with connection:
        await connection.execute("SELECT 1")


async def _redis(url: SplitResult) -> None:
    # Asked once; whether the certificate is one to trust is the app's affair.
    options: dict[str, Any] = {"ssl_cert_reqs": "none"} if url.scheme == "rediss" else {}
    client = valkey.asyncio.Valkey.from_url(
        url.geturl(), socket_timeout=_WITHIN_S, retry=Retry(NoBackoff(), 0), **options
    )
    try:
        await client.ping()
    finally:
        await client.aclose()


async def _smtp(url: SplitResult) -> None:
    client = aiosmtplib.SMTP(
        hostname=url.hostname,
        port=url.port or _SMTP_PORT,
        use_tls=url.scheme == "smtps",
        validate_certs=False,
        timeout=_WITHIN_S,
    )
    async with client:
        if url.username is not None:
            await client.login(unquote(url.username), unquote(url.password or ""))
        await client.noop()


async def _http(url: SplitResult) -> None:
    async with (
        httpx.AsyncClient(timeout=_WITHIN_S, trust_env=False) as client,
        client.stream("GET", url.geturl()) as answer,  # however much it is, the status is all that counts
    ):
        if answer.status_code >= 500:
            raise ValueError(f"it answers {answer.status_code}")


async def _reach(url: SplitResult) -> None:
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    with closing(writer):
        await asyncio.sleep(0)


Attempt = Callable[[SplitResult], Awaitable[None]]

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
