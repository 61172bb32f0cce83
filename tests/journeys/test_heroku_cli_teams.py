"""The unmodified Heroku CLI makes apps in a team, brings somebody in, and sees them go."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Api
from tests.journeys.heroku_cli import Heroku, surroundings
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform)


@pytest.fixture
def team(api: Api) -> Iterator[str]:
    """A team of the demo account, with whatever becomes of it removed again."""
    name = f"team-{secrets.token_hex(4)}"
    api.post("/teams", name=name)
    yield name
    for app in api.get(f"/teams/{name}/apps"):
        api.delete(f"/apps/{app['name']}")
    api.delete(f"/teams/{name}")


def broker(platform: Platform, team: str, *words: str) -> str:
    """Our own command line, for the team."""
    environment = {**os.environ, "BROKER_URL": platform.url, "BROKER_TOKEN": platform.token, "BROKER_TEAM": team}
    command = [sys.executable, "-m", "broker", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout


def test_a_team_is_worked_in_with_the_heroku_cli(
    heroku: Heroku, platform: Platform, api: Api, stranger: Api, team: str, app: str
) -> None:
    mallory, owned = "mallory@example.com", f"{team}-app"
    assert re.search(rf"{team} +owner", heroku.ok("teams").out)
    assert "as member... done" in heroku.ok("members:add", mallory, "--role", "member", "--team", team).err
    assert re.search(rf"{mallory} +member +pending", heroku.ok("members", "--team", team).out)
    stranger.post("/account/team-invitations/actions/accept", invitation=team)

    made = heroku.ok("apps:create", owned, "--team", team)
    assert f"Creating {owned}... done" in made.err
    assert heroku.ok("apps", "--team", team).out.split()[-1] == owned
    assert owned not in heroku.ok("apps").out
    assert stranger.get(f"/apps/{owned}")["team"]["name"] == team

    assert "done" in heroku.ok("members:set", mallory, "--role", "admin", "--team", team).err
    assert re.search(rf"{mallory} +admin +deploy, manage, operate, view", heroku.ok("access", "-a", owned).out)
    assert f"Transferring {app} to" in heroku.ok("apps:transfer", team, "-a", app).err
    assert {each["name"] for each in api.get(f"/teams/{team}/apps")} == {owned, app}
    assert f"No usage found for team {team}" in heroku.ok("usage:addons", "--team", team).out
    api.add(owned, "sendgrid")
    assert f"No usage found for app {owned}" in heroku.ok("usage:addons", "--team", team, "--app", owned).out
    assert re.search(rf"Owner: +{team}@herokumanager.com|Owner: +{team}", heroku.ok("apps:info", "-a", owned).out)

    assert re.search(rf"{mallory} +admin", broker(platform, team, "members"))
    broker(platform, team, "budgets:set", "50")
    assert "50.00 USD" in broker(platform, team, "budgets")

    heroku.ok("members:remove", mallory, "--team", team)
    assert stranger.call("GET", f"/apps/{owned}").status_code == 404
    assert heroku.run("members:remove", "demo@broker.localhost", "--team", team).status != 0
