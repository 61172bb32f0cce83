"""The grammar of the command line: names, short names, help, what happens to mistakes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from broker.cli.main import COMMANDS, load
from broker.cli.topics import ALIASES
from tests.cli.conftest import Broker, Canned


def test_broker_alone_lists_every_command_by_topic(broker: Broker) -> None:
    result = broker()
    assert result.status == 0
    assert all(f"  {name} " in result.out for name in COMMANDS)
    assert "Config vars and releases:" in result.out
    assert "..." not in result.out.removeprefix("Usage: broker [OPTIONS] [COMMAND] [ARGS]..."), "no sentence is cut off"


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES])
def test_every_command_and_short_name_has_help(broker: Broker, name: str) -> None:
    result = broker(name, "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"Usage: broker {name}")


def test_every_command_that_tells_a_program_anything_takes_json() -> None:
    silent = {"run", "up", "serve", "worker", "canary", "migrate", "completion"}
    silent |= {"invoices:export", "billing:export", "payouts:export", "audit:export"}  # files, and JSON or CSV already
    without = {name for name in COMMANDS if "as_json" not in {param.name for param in load(name).params}}
    assert without == silent


def test_every_command_is_documented_in_one_sentence() -> None:
    assert [name for name in COMMANDS if not (load(name).help or "").strip()] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("adons:add", "addons:add"), ("conifg", "config"), ("release", "releases"), ("auth", "auth:token")],
)
def test_an_unknown_command_suggests_the_nearest(broker: Broker, typed: str, meant: str) -> None:
    result = broker(typed)
    assert result.status == 2
    assert f"{typed} is no command of broker. Did you mean " in result.err
    assert meant in result.err


def test_a_missing_app_is_a_mistake_of_usage(broker: Broker) -> None:
    result = broker("config")
    assert result.status == 2
    assert "BROKER_APP" in result.err


def test_without_a_login_every_way_to_one_is_told(broker: Broker) -> None:
    result = broker("apps")
    assert result.status == 3
    assert "broker login" in result.err
    assert "broker up" in result.err
    assert "BROKER_TOKEN" in result.err


def test_the_version_is_told_without_loading_the_heavy_libraries() -> None:
    program = (
        "import sys; from broker.cli.main import run; status = run(['--version']);"
        "heavy = {'httpx', 'rich', 'sqlalchemy', 'uvicorn', 'fastapi', 'pydantic'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("broker ")


def test_a_reader_that_leaves_early_is_no_error(canned: Canned) -> None:
    canned.answer("GET /apps/demo/config-vars", 200, {f"NAME_{number}": "x" * 500 for number in range(500)})
    command = f"{sys.executable} -m broker config -s -a demo | head -1; exit ${{PIPESTATUS[0]}}"
    login = {"BROKER_URL": canned.url, "BROKER_TOKEN": "t"}
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **login}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_before_a_command_is_help_about_it(broker: Broker) -> None:
    assert broker("help", "addons:add").out == broker("addons:add", "--help").out


def test_an_option_meant_for_the_add_on_is_told_where_it_goes(broker: Broker) -> None:
    result = broker("addons:create", "postgres", "-a", "demo", "--version", "16")
    assert result.status == 2
    assert "go after ` -- `" in result.err
