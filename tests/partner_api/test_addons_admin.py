"""The registry as the addons-admin plugin meets it: its requests, sent by the HTTP client of the real Heroku CLI."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from broker.cli.heroku import heroku_environment
from broker.kernel.vault import Vault
from tests.catalog.samples import cache_manifest
from tests.journeys.tools import heroku_cli
from tests.wire.serving import served

pytestmark = [pytest.mark.heroku, pytest.mark.timeout(400)]

SCRIPT = Path(__file__).with_name("addons_admin.mjs")


def test_the_partners_command_line_pushes_and_pulls(live_database: str, vault: Vault, tmp_path: Path) -> None:
    folder = heroku_cli().parents[2]
    manifest = tmp_path / "addon-manifest.json"
    manifest.write_text(json.dumps(cache_manifest()))
    with served(live_database, vault) as shop:
        done = subprocess.run(
            ["node", str(SCRIPT), str(folder), str(manifest)],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | heroku_environment(shop.url, shop.token),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["pushed"]["contents"] == seen["pulled"]["contents"] == {"$base": 1, **cache_manifest()}
    assert seen["again"]["contents"]["$base"] == 2
    assert "the newest is 2" in seen["outdated"]["told"]
    assert all(place in seen["faulty"]["told"] for place in ("/name:", "/api/password:", "/api/regions:"))
    assert [version["id"] for version in seen["versions"]] == [seen["again"]["id"], seen["pushed"]["id"]]
    assert all(version["created_at"].endswith("Z") for version in seen["versions"])
    assert seen["first"]["contents"] == seen["pushed"]["contents"]
    assert "Couldn't find that add-on service" in seen["missing"]["told"]
