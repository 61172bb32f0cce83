"""A command with the environment of an app."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from broker.cli.run import postgres_variables
from tests.cli.conftest import Canned

VARIABLES = {"GREETING": "hello\nworld", "DATABASE_URL": "postgres://u:p%40s@db.example:6543/d1?sslmode=require"}


@pytest.fixture
def app(canned: Canned) -> Canned:
    canned.answer("GET /apps/demo/config-vars", 200, VARIABLES)
    return canned


def run_broker(app: Canned, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BROKER_URL": app.url, "BROKER_TOKEN": "t"}
    command = [sys.executable, "-m", "broker", "run", "--app", "demo", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_command_sees_the_config_vars_and_its_status_is_ours(app: Canned) -> None:
    done = run_broker(app, "--", "sh", "-c", 'printf "%s|%s" "$GREETING" "$PGPASSWORD"; exit 7')
    assert (done.returncode, done.stdout) == (7, "hello\nworld|p@s")


def test_quoted_names_in_arguments_are_replaced(app: Canned) -> None:
    done = run_broker(app, "printf", "%s|", "$DATABASE_URL", "${GREETING}", "$UNKNOWN", "-x")
    assert done.stdout == f"{VARIABLES['DATABASE_URL']}|hello\nworld|$UNKNOWN|-x|"


def test_a_command_that_is_not_there_gives_the_status_of_shells(app: Canned) -> None:
    done = run_broker(app, "--", "no-such-command-here")
    assert done.returncode == 127
    assert done.stderr == "Error: cannot run no-such-command-here: No such file or directory.\n"


def test_libpq_gets_what_the_address_holds() -> None:
    assert postgres_variables(VARIABLES) == {
        "PGHOST": "db.example", "PGPORT": "6543", "PGUSER": "u", "PGPASSWORD": "p@s", "PGDATABASE": "d1",
        "PGSSLMODE": "require",
    }  # fmt: skip


@pytest.mark.parametrize("address", ["", "mysql://u:p@h/d", "postgres://h:nonsense/d", "postgres:///d"])
def test_an_address_of_something_else_gives_nothing(address: str) -> None:
    assert postgres_variables({"DATABASE_URL": address}) == {}


def test_running_tells_that_the_app_has_its_newest_release_unless_it_is_a_one_off(app: Canned) -> None:
    app.answer("GET /apps/demo/releases", 200, [{"version": 7}])
    path = "POST /apps/demo/releases/v7/actions/acknowledge"
    app.answer(path, 403, {"id": "forbidden", "message": "This token may only read."})
    assert run_broker(app, "--one-off", "--", "true").returncode == 0
    assert path not in [request for request, _, _ in app.seen]
    assert run_broker(app, "--", "true").returncode == 0
    requests = [request for request, _, _ in app.seen][-3:]
    assert requests == ["GET /apps/demo/releases", "GET /apps/demo/config-vars", path]
