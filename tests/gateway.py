"""The local payment gateway in a process of its own, and the hands that fill in its pages."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from embedded.processes import free_port

KEY = "sk_test_of_the_local_gateway"
WEBHOOK_SECRET = "whsec_of_the_local_gateway"
GOOD, DECLINED, POOR, MUST_CONFIRM, SLOW, FAILS_LATER, TAKEN_BACK = (
    "4242424242424242", "4000000000000341", "4000000000009995", "4000002760003184", "4000000000000077",
    "4000000000000093", "4000000000000259",
)  # fmt: skip


@dataclass(frozen=True)
class LocalGateway:
    """Where it is."""

    url: str
    home: Path
    pid: int


@contextmanager
def running_gateway(home: Path, webhook_url: str | None = None, port: int = 0) -> Iterator[LocalGateway]:
    """Start it, and end it the hard way: it must bear that at any time."""
    port = port or free_port()
    told = {"HOME_DIRECTORY": str(home), "PORT": str(port), "KEY": KEY, "WEBHOOK_SECRET": WEBHOOK_SECRET}
    told |= {"DELAY_S": "0.3"} | ({"WEBHOOK_URL": webhook_url} if webhook_url else {})
    environment = {**os.environ, **{f"PAYMENT_GATEWAY_{name}": value for name, value in told.items()}}
    process = subprocess.Popen([sys.executable, "-m", "embedded.gateway"], env=environment, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield LocalGateway(url, home, process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail("the local gateway did not come up")
        time.sleep(0.05)


def fill_in(page: str, number: str = GOOD, expires: str = "12/40") -> httpx.Response:
    """Add a card on the gateway's page, as its user does."""
    return httpx.post(page, data={"number": number, "expires": expires}, timeout=10, trust_env=False)
