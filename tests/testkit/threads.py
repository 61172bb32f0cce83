"""A provider of the tests in a thread of its own, for tests that run a command line."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.testkit.shelf import Shelf, manifest
from tests.testkit.trying import offered


@contextmanager
def running(shelf: Shelf) -> Iterator[str]:
    """Gives the origin of the provider."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    origins: list[str] = []

    async def serve() -> None:
        async with offered(shelf) as origin:
            origins.append(origin)
            ready.set()
            await stop.wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield origins[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def manifest_file(folder: Path, origin: str, **changes: Any) -> Path:
    path = folder / "shelf.json"
    path.write_text(json.dumps(manifest(origin, **changes)), encoding="utf-8")
    return path
