"""The tutorial about writing a provider, run as it stands: from an empty directory to a listing, and removed again."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.docs.test_stories import Shell, plain, steps
from tests.journeys.signing_on import sign_on
from tests.platform import Platform

PAGE = ROOT / "docs" / "tutorial" / "write-a-provider.md"
SERVES = "python -m acme_lines_provider"


def without_counts(line: str) -> str:
    """The line without numbers that grow with the test kit."""
    return re.sub(r"\b\d+ (passed|skipped)\b", r"N \1", plain(line))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(shell: Shell, port: int) -> Iterator[None]:
    """The terminal in which the provider runs."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {SERVES}"], cwd=shell.folder, env=shell.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=7)) as client:
            client.get(f"http://127.0.0.1:{port}/health").raise_for_status()
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def dashboard_of(output: str) -> str:
    """The dashboard behind the link that `addons:open` printed."""
    link = re.search(r"^http\S+$", output, re.MULTILINE)
    assert link, output
    with httpx.Client(trust_env=False) as browser:
        return sign_on(browser, link[0]).raise_for_status().text


@pytest.mark.journey
@pytest.mark.timeout(300)
def test_a_provider_is_written_listed_used_and_removed_as_the_page_says(platform: Platform, tmp_path: Path) -> None:
    shell, port, seen = Shell(platform, tmp_path), free_port(), []
    told = list(steps(PAGE))
    at = [command for command, _ in told].index(SERVES)
    for command, expected in told[:at]:
        follow(shell, command.replace("provider:init", f"provider:init --port {port}"), expected)
    with serving(shell, port):
        for command, expected in told[at + 1 :]:
            output = follow(shell, command, expected)
            if command.startswith("broker addons:open"):
                seen.append(dashboard_of(output))
    overview, lines = seen
    assert "1 of 10" in overview
    assert "<li>Knock, knock</li>" in lines


def follow(shell: Shell, command: str, expected: list[str]) -> str:
    """Type the command; what it prints, which has every line that the page shows."""
    if command.startswith("cd "):
        shell.folder /= command.removeprefix("cd ")
        return ""
    done = shell.run(command)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    shown = [without_counts(line) for line in done.stdout.splitlines()]
    assert [line for line in expected if line and without_counts(line) not in shown] == [], (
        f"$ {command}\n{done.stdout}"
    )
    return done.stdout
