"""A proxy between broker and provider that makes faults happen which networks and programs make by themselves too rarely.

It knows no credentials and keeps nothing. HTTP/1.1, one request per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import httpx

from broker.catalog.reading import is_loopback
from broker.testkit.faults import Fault, call_of
from broker.testkit.listen import bound, origin_of

_PIECE: Final = 64 * 1024
_LARGEST: Final = 16 * 1024 * 1024
_PATIENCE_S: Final = 600.0
_ONE_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
     b"content-length", b"host", b"expect")
)  # fmt: skip

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Passage:
    """One call that went through. `carried_out` has the provider's answers, none if it was not asked."""

    method: str
    path: str
    call: str
    fault: str | None
    carried_out: Sequence[int]
    answered: int | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "path": self.path,
            "call": self.call,
            "fault": self.fault,
            "provider": list(self.carried_out),
            "answered": self.answered,
            "ms": round(self.seconds * 1000),
        }

    def __str__(self) -> str:
        provider = " ".join(map(str, self.carried_out)) or "not asked"
        answered = "no answer" if self.answered is None else str(self.answered)
        fault = f"  {self.fault}" if self.fault else ""
        return (
            f"{self.method} {self.path}  provider {provider}, answered {answered}{fault}  {self.seconds * 1000:.0f} ms"
        )


@dataclass(frozen=True, slots=True)
class _Message:
    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    target: str
    headers: Headers
    body: bytes

    @property
    def call(self) -> str:
        kind = next((value for name, value in self.headers if name == b"content-type"), b"")
        return call_of(self.method, kind.decode("latin-1").lower())


class FaultProxy:
    """Forwards to the origin `to`. `tell` hears of each call once it is over."""

    def __init__(self, to: str, faults: Sequence[Fault] = (), tell: Callable[[Passage], None] | None = None) -> None:
        self._to = to.rstrip("/")
        self._faults = list(faults)
        self._tell = tell or (lambda passage: None)
        self._waiting: set[asyncio.Event] = set()
        self._open: set[asyncio.Task[None]] = set()
        self.passages: list[Passage] = []

    @property
    def held(self) -> int:
        """How many calls wait for another one to come first."""
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def running(self, listener: socket.socket | None = None) -> AsyncIterator[str]:
        """Serve while the block runs; gives the origin."""
        taken = listener or bound()
        local = is_loopback(urlsplit(self._to).hostname or "")
        async with httpx.AsyncClient(timeout=None, trust_env=not local) as client:  # noqa: S113 (the caller's patience counts)
            self._client = client
            server = await asyncio.start_server(self._accept, sock=taken)
            try:
                yield origin_of(taken)
            finally:
                server.close()
                for task in self._open:
                    task.cancel()
                await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        connection = h11.Connection(h11.SERVER)
        try:
            asked = await _read(connection, reader)
            if asked is not None:
                await self._pass(asked, connection, reader, writer)
        except (ConnectionError, h11.ProtocolError):
            pass  # the caller went away, or spoke no HTTP: nobody is left to tell
        finally:
            writer.close()

    async def _pass(
        self, asked: _Asked, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        began = time.monotonic()
        fault = next((fault for fault in self._faults if fault.strikes(asked.call)), None)
        answers, answer = await self._spoilt(asked, fault, reader)
        answered = answer.status if answer else None
        path = urlsplit(asked.target).path
        kind = fault.kind if fault else None
        statuses = [one.status for one in answers]
        if answer is None:
            _reset(writer)
        else:
            writer.write(_written(connection, answer))
            await writer.drain()
        passage = Passage(asked.method, path, asked.call, kind, statuses, answered, time.monotonic() - began)
        self.passages.append(passage)
        self._tell(passage)
        self._release(fault)

    async def _spoilt(
        self, asked: _Asked, fault: Fault | None, reader: asyncio.StreamReader
    ) -> tuple[list[_Message], _Message | None]:
        """The provider's answers, and what the caller gets: None is a broken connection."""
        kind = fault.kind if fault else ""
        if fault is not None and kind == "reorder":
            await self._turn(fault.seconds)
        if kind == "503":
            return [], _Message(503, [], b"")
        if kind == "drop":
            return [], None
        answers = [await self._forward(asked) for _ in range(2 if kind == "duplicate" else 1)]
        if fault is not None and kind == "delay":
            await asyncio.sleep(fault.seconds)
        if kind == "timeout":
            await _until_gone(reader)
        if kind in ("timeout", "reset"):
            return answers, None
        return answers, _REPLACED.get(kind, answers[-1])

    async def _turn(self, seconds: float) -> None:
        """Wait until another call was answered."""
        event = asyncio.Event()
        self._waiting.add(event)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        self._waiting.discard(event)

    def _release(self, fault: Fault | None) -> None:
        if fault is None or fault.kind != "reorder":
            for event in self._waiting:
                event.set()

    async def _forward(self, asked: _Asked) -> _Message:
        request = httpx.Request(
            asked.method, self._to + asked.target, headers=_end_to_end(asked.headers), content=asked.body or None
        )
        try:
            response = await self._client.send(request, stream=True)
            async with contextlib.aclosing(response):
                body = b"".join([part async for part in response.aiter_raw()])
        except httpx.HTTPError as error:
            return _Message(502, [(b"content-type", b"text/plain")], f"Cannot reach the provider: {error}".encode())
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        return _Message(response.status_code, _end_to_end(headers), body)


_REPLACED: Final = {
    "500": _Message(500, [(b"content-type", b"text/plain")], b"Internal Server Error"),
    "garbage": _Message(200, [(b"content-type", b"text/html")], b'<html><b>Welcome to nginx!</b> {"id": '),
}


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> _Asked | None:
    """The whole request, None when the caller left without one."""
    head: h11.Request | None = None
    parts: list[bytes] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
            if sum(map(len, parts)) > _LARGEST:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = [(bytes(name), bytes(value)) for name, value in head.headers]
            return _Asked(head.method.decode(), head.target.decode("latin-1"), headers, b"".join(parts))
        else:
            return None


def _written(connection: h11.Connection, answer: _Message) -> bytes:
    bodiless = answer.status in (204, 304)
    length = [] if bodiless else [(b"content-length", str(len(answer.body)).encode())]
    head = h11.Response(status_code=answer.status, headers=[*answer.headers, *length, (b"connection", b"close")])
    parts = [connection.send(head)]
    if not bodiless:
        parts.append(connection.send(h11.Data(data=answer.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


def _end_to_end(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in _ONE_HOP]


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Wait until the caller gives up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while await reader.read(_PIECE):
                pass


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the caller sees a reset, and not the orderly end of an empty answer."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
