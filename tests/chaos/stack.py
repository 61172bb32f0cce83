"""The scaled form of the broker, in processes that can be killed: one PostgreSQL, API processes, workers, a provider."""

import base64
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from embedded import postgres
from embedded.processes import free_port

SERVICES = ("good", "slow", "flaky", "hanging")
_READY_WITHIN_S = 120


@dataclass
class Process:
    """One program that is started again whenever it is gone."""

    name: str
    words: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def ensure(self) -> None:
        if self.running is None or self.running.poll() is not None:
            with self.log.open("ab") as sink:
                self.running = subprocess.Popen(
                    self.words, env=self.environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
                )
            self.starts += 1

    def kill(self) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()

    def stop(self) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(15)
            self.kill()


@dataclass
class Stack:
    """Everything of one run."""

    folder: Path
    database_port: int
    database_password: str
    token: str
    apis: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    provider: Process | None = None
    urls: list[str] = field(default_factory=list)
    server: postgres.PostgresServer | None = None
    kills: int = 0

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres:{self.database_password}@127.0.0.1:{self.database_port}/postgres"

    @property
    def resources(self) -> Path:
        return self.folder / "resources"

    @property
    def processes(self) -> list[Process]:
        return [*self.apis, *self.workers, *([self.provider] if self.provider else [])]

    def start_database(self) -> None:
        self.server = postgres.start(self.folder / "postgres", self.database_port, log=self.folder / "postgres.log")

    def ensure(self) -> None:
        """Start again what is gone, the database first."""
        if self.server is None or not self.server.alive():
            self.start_database()
        for process in self.processes:
            process.ensure()

    def kill_something(self, chance: random.Random) -> str:
        """SIGKILL a worker, an API process (one is left to the clients), or the database's postmaster."""
        self.kills += 1
        victims: list[tuple[str, Callable[[], None]]] = [
            *((process.name, process.kill) for process in self.apis[:1]),
            *((process.name, process.kill) for process in self.workers),
            ("database", self._kill_database),
        ]
        name, kill = chance.choice(victims)
        kill()
        return name

    def _kill_database(self) -> None:
        assert self.server is not None
        with suppress(ProcessLookupError):
            os.kill(self.server.pid, signal.SIGKILL)
        while self.server.alive():
            time.sleep(0.01)  # bounded by the kernel: a killed process is gone at once

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        waiting = set(self.urls)
        while waiting:
            assert time.monotonic() < deadline, f"not up: {waiting}\n{self.logs()[-3000:]}"
            self.ensure()
            for url in list(waiting):
                with suppress(httpx.TransportError):
                    if httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200:
                        waiting.discard(url)
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))


@contextmanager
def running_stack(*, apis: int = 2, workers: int = 3, seed: int = 1, **settings: str) -> Iterator[Stack]:
    """Start it all on a fresh database; stop and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="broker-chaos-"))
    folder.chmod(0o755)
    password, token = secrets.token_urlsafe(16), "HRKU-" + secrets.token_urlsafe(32)
    stack = Stack(folder, free_port(), password, token)
    stack.resources.mkdir()
    try:
        postgres.initialise(folder / "postgres", password)
        stack.start_database()
        _add_processes(stack, apis, workers, seed, settings)
        stack.wait_until_ready()
        yield stack
    finally:
        for process in stack.processes:
            process.stop()
        if stack.server is not None:
            stack.server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _add_processes(stack: Stack, apis: int, workers: int, seed: int, settings: dict[str, str]) -> None:
    provider_port = free_port()
    words = [sys.executable, "-m", "tests.chaos.provider", str(stack.resources), str(provider_port), str(seed)]
    stack.provider = Process("provider", words, dict(os.environ), stack.folder / "provider.log")
    environment = _environment(stack, provider_port) | settings
    for number in range(apis):
        port = free_port()
        words = [sys.executable, "-m", "broker", "serve", "--port", str(port)]
        stack.apis.append(Process(f"api-{number}", words, environment, stack.folder / f"api-{number}.log"))
        stack.urls.append(f"http://127.0.0.1:{port}")
    for number in range(workers):
        words = [sys.executable, "-m", "broker", "worker"]
        stack.workers.append(Process(f"worker-{number}", words, environment, stack.folder / f"worker-{number}.log"))


def _environment(stack: Stack, provider_port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    return kept | {
        "DATABASE_URL": stack.database_url,
        "BROKER_SECRET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "BROKER_SEED_FILE": str(_write_seed(stack, provider_port)),
        "BROKER_OUTBOUND_ALLOW": "127.0.0.0/8",
        "BROKER_PUBLIC_URL": "http://127.0.0.1:1",
        "BROKER_PARTNER_TIMEOUT_S": "1.5",
        "BROKER_OPERATION_WAIT_S": "2",
        "BROKER_CIRCUIT_PAUSE_S": "0.5",
        "BROKER_CIRCUIT_LONGEST_PAUSE_S": "2",
        "BROKER_RATE_LIMIT_PER_HOUR": "10000000",
    }


def _write_seed(stack: Stack, provider_port: int) -> Path:
    manifests = []
    for service in SERVICES:
        path = stack.folder / f"{service}.json"
        path.write_text(json.dumps(_manifest(service, provider_port)))
        manifests.append(str(path))
    seed = stack.folder / "seed.json"
    seed.write_text(
        json.dumps(
            {
                "email": "chaos@broker.localhost",
                "password": secrets.token_urlsafe(16),
                "token": stack.token,
                "operator": True,
                "manifests": manifests,
            }
        )
    )
    return seed


def _manifest(service: str, port: int) -> dict[str, object]:
    base = f"http://127.0.0.1:{port}/{service}"
    return {
        "id": service,
        "name": service.title(),
        "api": {
            "version": "3",
            "password": "canary-" + secrets.token_urlsafe(16),
            "sso_salt": "canary-" + secrets.token_urlsafe(16),
            "config_vars": [f"{service.upper()}_URL"],
            "config_vars_prefix": service.upper(),
            "regions": ["us", "eu"],
            "requires": ["many_per_app", "attachable"],
            "production": {"base_url": f"{base}/heroku/resources", "sso_url": f"{base}/sso"},
        },
        "plans": [
            {"name": "small", "human_name": "Small", "price_cents": 0, "default": True},
            {"name": "large", "human_name": "Large", "price_cents": 5000},
        ],
    }
