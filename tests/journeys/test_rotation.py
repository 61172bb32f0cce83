"""Credentials are rotated under running clients: nobody is cut off before every app has been started anew."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psycopg
import pytest
import valkey

from tests.journeys.conftest import Api, NewApp
from tests.journeys.test_using_it import cli
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

VISIT = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as session:
    session.execute("insert into visits values (2)")
"""


def test_an_app_goes_on_through_a_rotation_of_its_database(
    platform: Platform, api: Api, app: str, tmp_path: Path
) -> None:
    name = api.add(app, "postgres")
    old = api.config(app)["DATABASE_URL"]
    with psycopg.connect(old, autocommit=True) as running:
        running.execute("create table visits (n int)")
        rotation = json.loads(cli(platform, tmp_path, "addons:rotate", name, "--json"))
        new = api.config(app)["DATABASE_URL"]
        assert (rotation["state"], rotation["generation"], new != old) == ("overlap", 2, True)
        running.execute("insert into visits values (1)")
        with psycopg.connect(new) as fresh:
            assert fresh.execute("select count(*) from visits").fetchall() == [(1,)]
        cli(platform, tmp_path, "run", "--app", app, "--", sys.executable, "-c", VISIT)
        over = until_finished(api, name)
    assert [(one["name"], one["how"]) for one in over["apps"]] == [(app, "broker run")]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(old)
    with psycopg.connect(new) as fresh:
        assert fresh.execute("select sum(n) from visits").fetchall() == [(3,)]


def test_everything_of_one_provider_is_rotated_by_one_command(
    platform: Platform, api: Api, new_app: NewApp, tmp_path: Path
) -> None:
    owner, guest = new_app(), new_app()
    name = api.add(owner, "redis")
    api.post("/addon-attachments", addon=name, app=guest, name="SHARED")
    old = api.config(owner)["REDIS_URL"]
    cli(platform, tmp_path, "addons:rotate", "--service", "redis", "--revoke-now", "--wait")
    with pytest.raises(valkey.ConnectionError), valkey.from_url(old) as keys:
        keys.ping()
    assert api.config(owner)["REDIS_URL"] == api.config(guest)["SHARED_URL"] != old
    with valkey.from_url(api.config(guest)["SHARED_URL"]) as keys:
        assert keys.ping()
    assert "Generation:" in cli(platform, tmp_path, "addons:credentials", name)
    cli(platform, tmp_path, "addons:refresh", name)


def until_finished(api: Api, addon: str) -> dict[str, object]:
    for _ in range(300):
        newest: dict[str, object] = api.get(f"/addons/{addon}/rotations")[0]
        if newest["finished_at"]:
            return newest
        time.sleep(0.1)
    raise AssertionError(newest)
