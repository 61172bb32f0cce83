"""The HTTP server as we run it: patient with operations, impatient with slow clients, and drained before it ends."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from broker.kernel.signals import Signals

_LARGEST_HEAD: Final = 64 * 1024
_KEEP_ALIVE_S: Final = 30
_DRAIN_S: Final = 5


def http_server(app: ASGIApp, signals: Signals, host: str, port: int, client_timeout_s: float) -> uvicorn.Server:
    """A server for this application, to be run with `serve()`."""

    class Protocol(_Guarded):
        head_within_s = client_timeout_s

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
        lifespan="off",
    )
    return _Draining(config, signals)


class _Draining(uvicorn.Server):
    """Lets requests that wait for an operation answer with what is true by then, before it ends them."""

    def __init__(self, config: uvicorn.Config, signals: Signals) -> None:
        super().__init__(config)
        self._signals = signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._signals.let_go()
        await super().shutdown(sockets)


class _Guarded(HttpToolsProtocol):
    """A connection whose client must send the head of a request in time, and not without end."""

    head_within_s = 15.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._too_slow: asyncio.TimerHandle | None = None
        self._head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._await_head(0)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head(len(data))
        else:
            self._head_is_there()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def _await_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > _LARGEST_HEAD:
            self.transport.close()
        elif self._too_slow is None:
            self._too_slow = self.loop.call_later(self.head_within_s, self.transport.close)

    def _head_is_there(self) -> None:
        self._head_size = 0
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None
