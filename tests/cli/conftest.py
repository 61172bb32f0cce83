"""A private home for the command line, and a canned HTTP server for answers that no broker of ours gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from broker.cli.main import run


@dataclass(frozen=True)
class Result:
    """What one command line did."""

    status: int
    out: str
    err: str


Broker = Callable[..., Result]


@pytest.fixture
def cli_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No login, no variables of the caller's, and a config directory of its own."""
    for name in ("BROKER_URL", "BROKER_TOKEN", "BROKER_APP", "NO_COLOR", "EDITOR", "VISUAL", "BROWSER", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home


@pytest.fixture
def broker(cli_home: Path, capsys: pytest.CaptureFixture[str]) -> Broker:
    """Run a command line in this process."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        status = run(arguments)
        out, err = capsys.readouterr()
        return Result(int(status), out, err)

    return call


@dataclass
class Canned:
    """A server with fixed answers by method and path, which notes what it was sent.

    Several answers to one request are given in turn, the last one for ever.
    """

    url: str = ""
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def answer(self, request: str, status: int = 200, body: Any = None, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers.setdefault(request, []).append((status, named, raw))


@pytest.fixture
def canned() -> Iterator[Canned]:
    state = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = f"{self.command} {self.path}"
            state.seen.append((request, {key.lower(): value for key, value in self.headers.items()}, body))
            missing = (404, {}, b'{"id": "not_found", "message": "Couldn\'t find that."}')
            answers = state.answers.get(request, [missing])
            status, headers, answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(answer)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing: the test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()

    def stop() -> None:
        if thread.is_alive():
            server.shutdown()
            server.server_close()
            thread.join()

    state.stop = stop
    yield state
    stop()
