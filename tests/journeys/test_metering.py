"""A metered add-on, from its price in the list to what it used and cost: the unmodified Heroku CLI, and ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.conftest import Api
from tests.journeys.heroku_cli import Heroku, surroundings
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform)


def reported(platform: Platform, *usages: dict[str, Any]) -> dict[str, int]:
    """What the mail provider's reporter does when an hour is over."""
    password = json.loads((platform.home / "manifests" / "mail.json").read_text())["api"]["password"]
    url = f"{platform.url}/api/v3/addons/mail/usage_batches"
    answer = httpx.post(url, json={"usages": usages}, auth=("mail", password), trust_env=False)
    assert answer.is_success, answer.text
    return {key: value for key, value in answer.json().items() if key != "results" and value}


def broker(platform: Platform, *words: str) -> str:
    environment = {**os.environ, "BROKER_URL": platform.url, "BROKER_TOKEN": platform.token, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "broker", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout


def test_usage_is_reported_shown_and_priced(heroku: Heroku, platform: Platform, api: Api, app: str) -> None:
    assert re.search(r"mail:payg +Pay as you go +metered +", heroku.ok("addons:plans", "mail").out)
    assert f"No usage found for app {app}" in heroku.ok("usage:addons", "-a", app).out
    made = heroku.ok("addons:create", "mail:payg", "-a", app, "--name", f"{app}-mail")
    assert f"Creating mail:payg on {app}... metered" in made.err
    uuid = api.get(f"/apps/{app}/addons/{app}-mail")["id"]
    report = {"id": f"{app} 1", "resource": {"id": uuid}, "unit": {"name": "mails"}, "quantity": "12500"}
    assert reported(platform, report, report) == {"accepted": 1, "duplicate": 1}
    assert reported(platform, report | {"quantity": "1"}) == {"conflict": 1}
    assert re.search(rf"{app}-mail +Mails accepted +12500", heroku.ok("usage:addons", "-a", app).out)
    assert re.search(rf"{app}-mail +Mails accepted +12500 +mail", broker(platform, "usage:addons", "-a", app))
    costs = broker(platform, "costs", "-a", app, "--explain")
    assert re.search(rf"{app}-mail +{app} +Mails accepted: 12500 mail +\d+\.\d\d USD", costs)
    assert "× 0.0008 USD each" in costs
