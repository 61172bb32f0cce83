"""`broker up` as its user runs it: the real command, on a home of its own, with everything it starts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import descendants, gone

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

READY_WITHIN_S = 90
STOPPED_WITHIN_S = 10


@dataclass
class Stack:
    """A running `broker up`."""

    process: subprocess.Popen[str]
    home: Path
    ready: dict[str, Any]

    def origins(self) -> list[str]:
        return [self.ready["url"], *(provider["url"] for provider in self.ready["providers"].values())]

    def children(self) -> dict[int, str]:
        return descendants(self.process.pid)

    def pid_of(self, words: str) -> int:
        [pid] = [pid for pid, args in self.children().items() if words in args]
        return pid

    def stop(self, by: signal.Signals) -> tuple[int, str]:
        """Answers the exit status and everything it printed."""
        self.process.send_signal(by)
        output, _ = self.process.communicate(timeout=STOPPED_WITHIN_S)
        return self.process.returncode, output


def command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "broker", "up", "--home", str(home), *arguments]


def start(home: Path, *arguments: str) -> Stack:
    ready_file = home.with_name(home.name + ".ready.json")
    ready_file.unlink(missing_ok=True)
    process = subprocess.Popen(
        command(home, "--ready-file", str(ready_file), *(arguments or ("--port", "0"))),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "DATABASE_URL": "postgresql://canary@127.0.0.1/other",
            "MAIL_PROVIDER_MESSAGE_LIMIT": "5000000",
        },
    )
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it did not come up:\n{process.communicate()[0]}")
        time.sleep(0.05)
    assert ready_file.stat().st_mode & 0o777 == 0o600
    return Stack(process, home, json.loads(ready_file.read_text()))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = start(tmp_path_factory.mktemp("up") / "home")
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGTERM)


def health(origin: str) -> int:
    return httpx.get(f"{origin}/health", trust_env=False).status_code


def kept_secrets(home: Path) -> list[str]:
    return list(json.loads((home / "state.json").read_text())["secrets"].values())


def test_everything_answers_when_the_ready_file_is_there(stack: Stack) -> None:
    assert [health(origin) for origin in stack.origins()] == [200, 200, 200, 200]
    assert set(stack.ready["providers"]) == {"postgres", "redis", "mail"}
    assert stack.ready["home"] == str(stack.home)


def test_the_token_of_the_ready_file_is_the_demo_accounts(stack: Stack) -> None:
    answer = httpx.get(
        f"{stack.ready['url']}/account",
        headers={
            "Authorization": f"Bearer {stack.ready['token']}",
            "Accept": "application/vnd.heroku+json; version=3",
        },
        trust_env=False,
    )
    assert answer.status_code == 200
    assert answer.json()["email"] == stack.ready["email"] == "demo@broker.localhost"


def test_the_marketplace_is_filled(stack: Stack) -> None:
    answer = httpx.get(
        f"{stack.ready['url']}/addon-services",
        headers={
            "Authorization": f"Bearer {stack.ready['token']}",
            "Accept": "application/vnd.heroku+json; version=3",
        },
        trust_env=False,
    )
    assert {service["name"] for service in answer.json()} >= {"postgres", "redis", "mail", "sendgrid"}


def test_no_secret_is_among_the_arguments_or_in_a_log(stack: Stack) -> None:
    logs = "".join(path.read_text(errors="replace") for path in (stack.home / "logs").iterdir())
    seen = logs + "".join(stack.children().values())
    assert "providers.mail" in seen
    assert [secret for secret in kept_secrets(stack.home) if secret in seen] == []


def test_files_of_the_home_are_private(stack: Stack) -> None:
    ours = [path for path in stack.home.rglob("*") if not path.is_symlink()]
    assert len(ours) > 10
    assert [str(path) for path in ours if path.stat().st_mode & 0o077 and path.parent == stack.home] == []
    assert [path for path in (stack.home / "logs").iterdir() if path.stat().st_mode & 0o077] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_provider_learns_nothing_of_the_broker(stack: Stack) -> None:
    pid = stack.pid_of("providers.mail")
    told = dict(part.split("=", 1) for part in Path(f"/proc/{pid}/environ").read_text().split("\0") if part)
    foreign = ("BROKER_", "REDIS_PROVIDER_", "POSTGRES_PROVIDER_", "DATABASE_URL")
    assert [name for name in told if name.startswith(foreign)] == []
    assert told["MAIL_PROVIDER_MESSAGE_LIMIT"] == "5000000"


def test_a_provider_that_dies_is_back_at_its_address(stack: Stack) -> None:
    pid = stack.pid_of("providers.redis")
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    origin = stack.ready["providers"]["redis"]["url"]
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:  # backs off for 30 s
        assert client.get(f"{origin}/health").status_code == 200
    assert stack.pid_of("providers.redis") != pid


def test_a_second_start_on_a_home_in_use_is_refused(stack: Stack) -> None:
    second = subprocess.run(command(stack.home, "--port", "0"), capture_output=True, text=True, timeout=120)
    assert second.returncode == 1
    assert f"A broker (process {stack.process.pid}) is already running on {stack.home}" in second.stderr
    assert "Traceback" not in second.stderr
    assert health(stack.ready["url"]) == 200


def test_a_taken_port_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = subprocess.run(
            command(tmp_path / "home", "--port", str(port)), capture_output=True, text=True, timeout=120
        )
    assert refused.returncode == 1
    assert f"Port {port} of 127.0.0.1, for the broker, is used by another program" in refused.stderr
    assert "--port" in refused.stderr


def test_two_homes_side_by_side_and_one_that_was_killed_is_found_as_it_was(stack: Stack, tmp_path: Path) -> None:
    other = start(tmp_path / "home")
    assert not set(other.origins()) & set(stack.origins())
    everything = [other.process.pid, *other.children()]
    for pid in everything:
        with suppress(ProcessLookupError):  # its parent's end was its own
            os.kill(pid, signal.SIGKILL)
    other.process.communicate()
    assert all(gone(pid) for pid in everything)
    again = start(tmp_path / "home")
    assert again.ready == other.ready
    assert [health(origin) for origin in again.origins()] == [200, 200, 200, 200]
    children = [*again.children()]
    again.process.kill()  # of the supervisor alone: its children must not outlive it
    again.process.communicate()
    assert all(gone(pid) for pid in children)
    assert health(stack.ready["url"]) == 200


def test_an_interrupt_stops_every_child_in_time(stack: Stack) -> None:
    children = [*stack.children()]
    status, output = stack.stop(signal.SIGINT)
    assert status == 0
    assert all(gone(pid, within_s=0.5) for pid in children)
    assert f"Addon Broker is up at {stack.ready['url']}" in output
    assert not [secret for secret in kept_secrets(stack.home) if secret in output]
