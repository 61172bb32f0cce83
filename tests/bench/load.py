"""The load: keep-alive HTTP/1.1 clients that do next to nothing themselves, in a process of their own.

Reads a job as JSON from stdin, writes "begin" when the warm-up is over and a line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_WARM_UP_S = 30.0


@dataclass
class Tally:
    """What all clients have seen since the first `warm_up` answers. Ends at `wanted` answers, or at the first refusal."""

    requests: Iterator[bytes]
    warm_up: int
    wanted: int | None
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    statuses: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    first_refusal: str = ""

    def add(self, status: int, took: float, body: bytes) -> None:
        if status >= 300:
            self.first_refusal = self.first_refusal or body.decode(errors="replace")[:300]
            self.ends.set()
        if self.warm_up:
            self.warm_up -= 1
            return
        self.warm.set()
        self.statuses[status] += 1
        self.took.append(took)
        if self.wanted is not None and len(self.took) >= self.wanted:
            self.ends.set()


class Client(asyncio.Protocol):
    """One connection: sends a request, reads its answer whole, sends the next."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = b""
        self._began = 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._tally.ends.is_set():
            self._tally.add(599, 0.0, b"the connection was closed")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(_HEAD_END)
        if head < 0:
            return
        at = self._buffer.lower().find(_LENGTH, 0, head) + len(_LENGTH)
        end = head + 4 + int(self._buffer[at : self._buffer.index(b"\r", at)])
        if len(self._buffer) < end:
            return
        self._tally.add(int(self._buffer[9:12]), time.perf_counter() - self._began, self._buffer[head + 4 : end])
        self._buffer = b""
        if not self._tally.ends.is_set():
            self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._tally.requests))


async def run(job: dict[str, Any]) -> dict[str, Any]:
    """Warm up, count for the job's time or number of requests, and tell."""
    tally = Tally(itertools.cycle(text.encode() for text in job["requests"]), job["warm_up"], job["count"])
    loop = asyncio.get_running_loop()
    for number in range(job["clients"]):
        port = job["ports"][number % len(job["ports"])]
        await loop.create_connection(lambda: Client(tally), "127.0.0.1", port)
    await _first(_WARM_UP_S, tally.warm, tally.ends)
    print("begin", flush=True)
    began, cpu = time.perf_counter(), time.process_time()
    await _first(job["seconds"], tally.ends)
    tally.ends.set()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "cpu_s": time.process_time() - cpu,
        "statuses": dict(tally.statuses),
        "first_refusal": tally.first_refusal,
        "took": tally.took,
    }


async def _first(within_s: float, *events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.load(sys.stdin)))), flush=True)
