"""The unmodified heroku-client package from npm against real providers."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(400)]

SCRIPT = Path(__file__).with_name("heroku_client.js")


def test_a_node_program_goes_through_the_story(
    heroku_client_folder: Path, platform: Platform, app: str, tmp_path: Path
) -> None:
    told = {"HOST": platform.url, "TOKEN": platform.token, "APP": app}
    done = subprocess.run(
        ["node", str(SCRIPT), str(heroku_client_folder)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **told},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["account"] == platform.email
    assert seen["created"] == {"state": "provisioned", "vars": ["CACHE_URL"]}
    assert seen["config"] == ["CACHE_URL"]
    assert seen["releases"] == seen["inParts"] == [1, 2, 3, 4, 5], "parts are put together by Next-Range"
    assert seen["plan"] == "redis:premium-0"
    assert (seen["taken"]["status"], seen["taken"]["body"]["message"]) == (422, "Name is already taken")
    assert (seen["missing"]["status"], seen["missing"]["body"]["id"]) == (404, "not_found")
    assert seen["destroyed"] == "deprovisioned"
