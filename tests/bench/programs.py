"""Starting the programs that are measured, each on a free port, and ending them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from embedded.processes import free_port

_START_S = 90.0
_STOP_S = 10.0


@dataclass(frozen=True)
class Group:
    """Processes of one program."""

    ports: list[int] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]


class Programs:
    """Starts programs with their output in a folder of logs."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs

    @contextmanager
    def group(self, module: str, *ports: int) -> Iterator[Group]:
        """A module that takes its port as only argument, once per port."""
        group = Group(list(ports))
        with self._ended(group):
            for port in group.ports:
                group.processes.append(self._start([sys.executable, "-m", module, str(port)], {}))
            for port in group.ports:
                self._await(port, group)
            yield group

    @contextmanager
    def brokers(self, environment: Mapping[str, str], processes: int, *, with_worker: bool = False) -> Iterator[Group]:
        """`broker serve`, so many times."""
        group = Group([free_port() for _ in range(processes)])
        with self._ended(group):
            for port in group.ports:
                more = ["--with-worker"] if with_worker else []
                command = [sys.executable, "-m", "broker", "serve", "--port", str(port), *more]
                group.processes.append(self._start(command, environment))
            for port in group.ports:
                self._await(port, group)
            yield group

    @contextmanager
    def worker(self, environment: Mapping[str, str]) -> Iterator[Group]:
        """`broker worker`."""
        group = Group()
        with self._ended(group):
            group.processes.append(self._start([sys.executable, "-m", "broker", "worker"], environment))
            yield group

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("BROKER_", "DATABASE_URL"))}
        with (self._logs / "programs.log").open("ab") as log:
            return subprocess.Popen(command, env=ours | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _await(self, port: int, group: Group) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and all(process.poll() is None for process in group.processes):
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        log = (self._logs / "programs.log").read_text(errors="replace")
        raise RuntimeError(f"a program does not answer on its port; the end of its log:\n{log[-3000:]}")

    @contextmanager
    def _ended(self, group: Group) -> Iterator[None]:
        try:
            yield
        finally:
            for process in group.processes:
                process.terminate()
            for process in group.processes:
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
