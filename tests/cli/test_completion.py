"""Completion as bash asks for it, colons and all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Broker, Canned


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory with a program `broker` in it."""
    path = tmp_path / "bin" / "broker"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m broker "$@"\n')
    path.chmod(0o755)
    return path.parent


def completed(line: str, program: Path, home: Path, **more: str) -> list[str]:
    """What bash would offer at the end of the line."""
    script = f"""
        eval "$(broker completion bash)"
        COMP_LINE={line!r} COMP_POINT={len(line)}
        _broker_completion broker
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(home), **more}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_gets_what_follows_the_colon(program: Path, cli_home: Path) -> None:
    assert completed("broker addons:crea", program, cli_home) == ["create"]
    assert completed("broker conf", program, cli_home) == [
        "config", "config:get", "config:set", "config:unset", "config:edit",
    ]  # fmt: skip


def test_bash_gets_options_and_the_names_of_apps(program: Path, cli_home: Path, canned: Canned) -> None:
    canned.answer("GET /apps", 200, [{"name": "intu-jokes"}, {"name": "other"}])
    assert "--shell" in completed("broker config --s", program, cli_home)
    login = {"BROKER_URL": canned.url, "BROKER_TOKEN": "t"}
    assert completed("broker config --app in", program, cli_home, **login) == ["intu-jokes"]


def test_bash_gets_the_add_ons_of_the_app_and_the_plans_of_the_service(
    program: Path, cli_home: Path, canned: Canned
) -> None:
    canned.answer("GET /apps/demo/addons", 200, [{"name": "demo-db"}, {"name": "my-redis"}])
    canned.answer("GET /addon-services/redis/plans", 200, [{"name": "redis:free"}, {"name": "redis:mini"}])
    login = {"BROKER_URL": canned.url, "BROKER_TOKEN": "t"}
    assert completed("broker addons:info -a demo d", program, cli_home, **login) == ["demo-db"]
    assert completed("broker addons:info d", program, cli_home, BROKER_APP="demo", **login) == ["demo-db"]
    assert completed("broker addons:create redis:m", program, cli_home, **login) == ["mini"]


def test_completion_without_a_login_offers_nothing_and_says_nothing(program: Path, cli_home: Path) -> None:
    assert completed("broker config --app in", program, cli_home) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_accepts_its_script(broker: Broker, shell: str, tmp_path: Path) -> None:
    result = broker("completion", shell)
    assert result.status == 0
    assert "_BROKER_COMPLETE" in result.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(result.out)
    assert subprocess.run([shell, "-n", str(script)], capture_output=True, check=False).returncode == 0
