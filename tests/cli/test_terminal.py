"""Commands on a real (pseudo-)terminal: questions, progress, colour, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Canned

APP = {"id": "2", "name": "demo"}
FREE = {"cents": 0, "contract": False, "unit": "month"}
ADDON: dict[str, Any] = {
    "id": "1", "name": "db", "state": "provisioned", "app": APP, "plan": {"name": "postgres:mini", "price": FREE},
    "addon_service": {"name": "postgres"}, "billed_price": FREE, "config_vars": ["DATABASE_URL"],
}  # fmt: skip


class Session:
    """A command on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self.shown = ""

    def read_until(self, pattern: str) -> None:
        """Read what is shown until it matches; the end of the output ends the reading too."""
        while not re.search(pattern, self.shown):
            try:
                data = os.read(self._terminal, 4096)
            except OSError:  # Linux says EIO when the last process has closed its side
                data = b""
            assert data, f"{pattern!r} was never shown, only {self.shown!r}"
            self.shown += data.decode()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def status(self) -> int:
        with pytest.raises(AssertionError):
            self.read_until("(?!)")
        return self._process.wait(timeout=20)


@contextmanager
def terminal(canned: Canned, home: Path, *words: str) -> Iterator[Session]:
    outer, inner = pty.openpty()
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "BROKER_APP")},
        "BROKER_URL": canned.url, "BROKER_TOKEN": "t", "TERM": "xterm", "XDG_CONFIG_HOME": str(home),
    }  # fmt: skip
    command = [sys.executable, "-m", "broker", *words]
    process = subprocess.Popen(
        command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
    )
    os.close(inner)
    try:
        yield Session(process, outer)
    finally:
        process.kill()
        process.wait()
        os.close(outer)


def test_an_overwritten_var_is_confirmed_by_typing_the_name_of_the_app(canned: Canned, cli_home: Path) -> None:
    canned.answer("POST /apps/demo/addons", 423, {"id": "confirmation_required", "message": "DATABASE would be lost."})
    canned.answer("POST /apps/demo/addons", 201, ADDON)
    canned.answer("GET /apps/demo/releases", 206, [{"version": 9}])
    with terminal(canned, cli_home, "addons:add", "postgres", "-a", "demo", "--as", "DATABASE") as session:
        session.read_until("> ")
        session.type("demo\n")
        assert session.status() == 0
    assert "DATABASE would be lost." in session.shown
    assert "done, v9 (free)" in session.shown
    confirmed = [json.loads(body).get("confirm") for request, _, body in canned.seen if request.startswith("POST")]
    assert confirmed == [None, "demo"]


def test_a_wrong_name_changes_nothing(canned: Canned, cli_home: Path) -> None:
    canned.answer("GET /apps/demo", 200, {**APP, "owner": {"email": "a@b"}})
    canned.answer("GET /apps/2/addons", 200, [ADDON])
    with terminal(canned, cli_home, "apps:destroy", "demo") as session:
        session.read_until("> ")
        assert "with the data of db" in session.shown
        session.type("dmeo\n")
        assert session.status() == 1
    assert [request for request, _, _ in canned.seen if request.startswith("DELETE")] == []


def test_the_password_is_asked_for_and_not_shown(canned: Canned, cli_home: Path) -> None:
    made = {"id": "a1", "user": {"email": "ada@example.com"}, "access_token": {"token": "tok-1"}}
    canned.answer("POST /oauth/authorizations", 403, {"id": "two_factor", "message": "A second factor is needed."})
    canned.answer("POST /oauth/authorizations", 201, made)
    with terminal(canned, cli_home, "login") as session:
        session.read_until("Email: ")
        session.type("ada@example.com\n")
        session.read_until("Password: ")
        session.type("correct horse\n")
        session.read_until("Two-factor code: ")
        session.type("123456\n")
        assert session.status() == 0
    assert "correct horse" not in session.shown
    assert [sent.get("heroku-two-factor-code") for _, sent, _ in canned.seen] == [None, "123456"]


def test_waiting_shows_the_time_and_ctrl_c_says_that_it_goes_on(canned: Canned, cli_home: Path) -> None:
    pending = {**ADDON, "state": "provisioning"}
    canned.answer("POST /actions/addons/resolve", 200, [pending])
    canned.answer("GET /apps/2/addons/1", 200, pending)
    with terminal(canned, cli_home, "addons:wait", "db") as session:
        session.read_until(r"Creating db\.\.\. 1 s")
        session.interrupt()
        assert session.status() == 130
    assert "interrupted" in session.shown
    assert "The operation goes on in the broker." in session.shown
    assert "Traceback" not in session.shown


def test_waiting_shows_what_the_broker_tells_of_the_operation(canned: Canned, cli_home: Path) -> None:
    operation = {
        "state": "pending", "attempts": 1, "reason": "Store can't be reached.",
        "updated_at": "2026-11-21T10:00:00Z", "next_attempt_at": "2026-11-21T10:01:30Z",
    }  # fmt: skip
    pending = {**ADDON, "state": "provisioning"}
    stream = f": nothing new\n\nevent: operation\ndata: {json.dumps(operation)}\n\n".encode()
    canned.answer("POST /actions/addons/resolve", 200, [pending])
    canned.answer("GET /addons/1/operations", 200, stream, content_type="text/event-stream; charset=utf-8")
    canned.answer("GET /apps/2/addons/1", 200, pending)
    with terminal(canned, cli_home, "addons:wait", "db") as session:
        shown = r"Creating db\.\.\. \d+ s \(attempt 2, next try in 1 min \d+ s: Store can't be reached\.\)"
        session.read_until(shown)
        session.interrupt()
        assert session.status() == 130
    sent = [headers["accept"] for request, headers, _ in canned.seen if request == "GET /addons/1/operations"]
    assert sent == ["text/event-stream"]


def test_waiting_survives_a_broker_that_is_away_for_a_moment(canned: Canned, cli_home: Path) -> None:
    pending = {**ADDON, "state": "provisioning"}
    canned.answer("POST /actions/addons/resolve", 200, [pending])
    canned.answer("GET /apps/2/addons/1", 502, b"starting")
    canned.answer("GET /apps/2/addons/1", 503, {"id": "service_unavailable", "message": "The broker is busy."})
    canned.answer("GET /apps/2/addons/1", 200, ADDON)
    with terminal(canned, cli_home, "addons:wait", "db") as session:
        assert session.status() == 0
    assert "done" in session.shown


def test_states_are_coloured(canned: Canned, cli_home: Path) -> None:
    canned.answer("GET /addons", 200, [ADDON])
    canned.answer("GET /addon-attachments", 200, [])
    with terminal(canned, cli_home, "addons") as session:
        assert session.status() == 0
    assert "\x1b[32mcreated" in session.shown
