"""The whole marketplace as its users run it: `broker up` in a process of its own, once per test process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_READY_WITHIN_S = 240
_STOP_WITHIN_S = 60


@dataclass(frozen=True)
class Platform:
    """A running marketplace with its demo account."""

    url: str
    token: str
    email: str
    password: str
    home: Path
    providers: dict[str, dict[str, str]]
    pid: int


@contextmanager
def running_platform(**environment: str) -> Iterator[Platform]:
    """Start it on a fresh home and a free port; stop and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="broker-platform-"))
    ready_file, log = folder / "ready.json", folder / "up.log"
    words = ["up", "--home", str(folder / "home"), "--port", "0", "--ready-file", str(ready_file)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "broker", *words],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **environment},
        )
    try:
        ready = _wait_for(ready_file, process, log)
        yield Platform(**{**ready, "home": Path(ready["home"])}, pid=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_WITHIN_S)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(ready_file: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the marketplace did not come up:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    ready: dict[str, Any] = json.loads(ready_file.read_text())
    return ready
