"""cli-proxy: a forwarder on the loopback, for the Heroku CLI and a broker on another machine.

It adds no token, stores nothing, answers only requests made to its own address (so that no web page can use it
through a name that points here), and streams bodies both ways.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from broker.cli.credentials import current_login
from broker.cli.heroku import heroku_environment
from broker.cli.options import json_option
from broker.cli.output import note, say, say_json
from broker.faces.env_text import export_text

if TYPE_CHECKING:
    import httpx

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    (b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade")
)  # fmt: skip
"""Headers of one connection (RFC 9110 §7.6.1), which are not forwarded."""


_PAGES = "/auth/browser/"
"""Pages that the CLI opens in a browser: people sign in at the broker itself, and not at what is between."""


@click.command("cli-proxy")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port on 127.0.0.1.")
@json_option
def cli_proxy(port: int, as_json: bool) -> None:
    """Forward from this machine to the broker, for the Heroku CLI.

    Prints the variables to use, and runs until Ctrl-C. In another terminal, paste what it printed.
    """
    login = current_login()
    listener = listen(port)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    variables = heroku_environment(origin, login.token)
    if as_json:
        say_json(variables)
    else:
        say(export_text(variables).rstrip("\n"))
    note(f"Forwarding {origin} to {login.url}. Stop with Ctrl-C.")
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(listener, login.url))
    note("Stopped.")


def listen(port: int) -> socket.socket:
    """A socket on the loopback; port 0 takes a free one.

    Raises: ClickException when the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as cause:
        listener.close()
        raise click.ClickException(f"Cannot listen on 127.0.0.1:{port}: {cause.strerror}.") from cause
    return listener


async def serve(listener: socket.socket, upstream: str) -> None:
    """Forward until SIGINT or SIGTERM."""
    import httpx
    import uvicorn

    from broker.cli.credentials import is_loopback

    local = f"127.0.0.1:{listener.getsockname()[1]}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    timeout = httpx.Timeout(None, connect=10.0)
    async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=not is_loopback(upstream)) as client:
        config = uvicorn.Config(
            Forwarder(client, upstream, local), log_level="critical", access_log=False, lifespan="off", ws="none",
            server_header=False, date_header=False, proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[listener])


class Forwarder:
    """An ASGI application that passes each request on to the broker."""

    def __init__(self, client: httpx.AsyncClient, upstream: str, local: str) -> None:
        self._client = client
        self._upstream = upstream
        port = local.rpartition(":")[2]
        self._own_hosts = {local.encode(), f"localhost:{port}".encode()}
        self._own_origin = f"http://{local}"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        import httpx

        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if host.lower() not in self._own_hosts:
            await _answer(send, 421, "misdirected_request", "This forwarder answers to its own address only.")
            return
        if scope["path"].startswith(_PAGES):
            await _lead(send, self._upstream + scope["raw_path"].decode("ascii"))
            return
        request = self._request(scope, receive)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as cause:
            await _answer(send, 502, "unreachable", f"Cannot reach the broker: {cause or type(cause).__name__}.")
            return
        try:
            await self._pass_back(response, send)
        finally:
            await response.aclose()

    def _request(self, scope: MutableMapping[str, Any], receive: Receive) -> httpx.Request:
        """The same request with the broker's host, as an object of its own: a client would add its default headers."""
        import httpx

        path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
        headers = [(name, value) for name, value in end_to_end(scope["headers"]) if name != b"host"]
        names = {name for name, _ in scope["headers"]}
        has_body = b"transfer-encoding" in names or b"content-length" in names
        url = httpx.URL(f"{self._upstream}{path}{f'?{query}' if query else ''}")
        return httpx.Request(scope["method"], url, headers=headers, content=_body(receive) if has_body else None)

    async def _pass_back(self, response: httpx.Response, send: Send) -> None:
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        headers = [(name, self._local(value) if name == b"location" else value) for name, value in end_to_end(headers)]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for part in response.aiter_raw():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _local(self, location: bytes) -> bytes:
        """A redirect to the broker becomes one to this forwarder."""
        text = location.decode("latin-1")
        here, there = urlsplit(text), urlsplit(self._upstream)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return location
        return (self._own_origin + text[len(self._upstream) :]).encode("latin-1")


def end_to_end(headers: Headers) -> Headers:
    """The headers that may be forwarded: neither those of one connection nor those it declares to be such."""
    declared = b",".join(value for name, value in headers if name == b"connection").lower().split(b",")
    dropped = _HOP_BY_HOP | {name.strip() for name in declared}
    return [(name, value) for name, value in headers if name not in dropped]


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _lead(send: Send, url: str) -> None:
    headers = [(b"location", url.encode("latin-1")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, status: int, error_id: str, message: str) -> None:
    import json

    body = json.dumps({"id": error_id, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
