"""The variables for the Heroku CLI: all of them or none, for a token must not go astray."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from broker.cli.errors import CliError
from broker.cli.heroku import heroku_environment
from tests.cli.conftest import Broker

NEEDED = {
    "HEROKU_HOST", "HEROKU_API_KEY", "HEROKU_PARTICLEBOARD_URL", "HEROKU_LOGIN_HOST", "HEROKU_DATA_HOST",
    "HEROKU_ADDONS_HOST", "HEROKU_POSTGRESQL_ADDON_NAME", "HEROKU_REDIS_ADDON_NAME", "HEROKU_NETRC_WRITE", "HEROKU_SKIP_NEW_VERSION_CHECK",
    "HEROKU_DISABLE_AUTOUPDATE", "DISABLE_TELEMETRY", "PGDIAGNOSE_URL",
}  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_variable_points_here(host: str) -> None:
    url = f"http://{host}:5123"
    variables = heroku_environment(url, "tok")
    assert set(variables) == NEEDED
    assert {variables[name] for name in NEEDED if name.endswith(("_HOST", "_URL"))} == {url, host, f"http://{host}"}
    assert variables["HEROKU_DATA_HOST"] == host
    assert variables["HEROKU_ADDONS_HOST"] == f"http://{host}", "its port is that of HEROKU_HOST"


@pytest.mark.parametrize(
    "url",
    ["https://broker.example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://[::1]:5000",
     "http://127.0.0.1:5000/base"],
)  # fmt: skip
def test_an_address_that_the_heroku_cli_would_not_use_is_refused(url: str) -> None:
    with pytest.raises(CliError) as caught:
        heroku_environment(url, "s3cret")
    assert "cli-proxy" in str(caught.value.hint)
    assert "s3cret" not in caught.value.message


def test_the_printed_lines_can_be_evaluated(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "http://127.0.0.1:5123/")
    monkeypatch.setenv("BROKER_TOKEN", "it's-a-$token")
    result = broker("env")
    assert result.status == 0, result.err
    lines = result.out
    script = f'{lines}\nprintf %s "$HEROKU_API_KEY"; env | grep -c ^HEROKU_'
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "it's-a-$token11\n"
    assert set(json.loads(broker("env", "--json").out)) == NEEDED
