"""Sends one request and reads the whole answer; whatever happens on the way becomes a value."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from broker.catalog.reading import is_loopback
from broker.testkit.exchange import Exchange, Request

_LARGEST_ANSWER: Final = 1024 * 1024
REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


async def exchanged(client: httpx.AsyncClient, request: Request, timeout_s: float) -> Exchange:
    """Send and read the whole answer, or say why there is none."""
    began = time.monotonic()

    def lost(why: str, *, late: bool = False) -> Exchange:
        return Exchange(request, time.monotonic() - began, lost=why, late=late)

    try:
        async with asyncio.timeout(timeout_s), _streamed(client, request) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > _LARGEST_ANSWER:
                    return lost(f"it is larger than {_LARGEST_ANSWER} bytes")
                parts.append(part)
    except TimeoutError:
        return lost(f"nothing came within {timeout_s:g} s", late=True)
    except httpx.ConnectError as error:
        return lost(f"no connection could be made ({error})")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return lost(f"the connection broke ({type(error).__name__})")
    seconds = time.monotonic() - began
    return Exchange(request, seconds, response.status_code, response.headers, b"".join(parts))


@asynccontextmanager
async def _streamed(client: httpx.AsyncClient, request: Request) -> AsyncIterator[httpx.Response]:
    async with client.stream(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content,
        data=request.form,
        auth=httpx.BasicAuth(*request.auth) if request.auth else None,
    ) as response:
        yield response


def redirect_within(exchange: Exchange, start: str) -> str | None:
    """Where the answer leads, if that is at the same origin."""
    if exchange.status not in REDIRECTS:
        return None
    try:
        target = urljoin(exchange.request.url, (exchange.headers or {}).get("location", ""))
        return target if urlsplit(target).netloc == urlsplit(start).netloc else None
    except ValueError:
        return None


@cache
def _certificates() -> ssl.SSLContext:
    """Loaded once: that takes longer than most calls."""
    return httpx.create_ssl_context()


def new_client(url: str) -> httpx.AsyncClient:
    """A client without cookies of others; the proxy of the environment is for other machines only."""
    local = is_loopback(urlsplit(url).hostname or "")
    headers = {"user-agent": "addon-broker-test-kit"}
    # Each call is bounded as a whole, by asyncio.timeout.
    return httpx.AsyncClient(timeout=None, trust_env=not local, headers=headers, verify=_certificates())  # noqa: S113
