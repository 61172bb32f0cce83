"""Logins of their own to one database, by our command line and by Heroku's."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psycopg
import pytest

from tests.journeys.conftest import Api, NewApp
from tests.journeys.heroku_cli import surroundings
from tests.journeys.test_using_it import cli
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]


def test_a_second_app_reads_with_a_login_that_goes_with_its_attachment(
    platform: Platform, api: Api, new_app: NewApp, tmp_path: Path
) -> None:
    shop, reports = new_app(), new_app()
    name = api.add(shop, "postgres")
    with psycopg.connect(api.config(shop)["DATABASE_URL"], autocommit=True) as owner:
        owner.execute("create table visits (n int)")
        words = ("--as", "STATS", "--own-credential", "--read-only")
        cli(platform, tmp_path, "addons:attach", name, "--app", reports, *words)
        own = api.config(reports)["STATS_URL"]
        owner.execute("create table later (n int)")
    with psycopg.connect(own, autocommit=True) as reader:
        assert reader.execute("select count(*) from visits, later").fetchall() == [(0,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("insert into visits values (1)")
    cli(platform, tmp_path, "addons:detach", "STATS", "--app", reports)
    until_none(api, name)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own)


def until_none(api: Api, addon: str) -> None:
    deadline = time.monotonic() + 30
    while api.get(f"/addons/{addon}/credentials")["named"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.heroku
def test_heroku_s_command_line_manages_the_credentials_of_a_database(
    heroku_program: Path, platform: Platform, api: Api, new_app: NewApp, tmp_path: Path
) -> None:
    heroku = surroundings(heroku_program, tmp_path, platform)
    shop, reports = new_app(), new_app()
    name = api.add(shop, "postgres:standard-0")
    heroku.ok("pg:credentials:create", name, "--name", "analytics", "-a", shop)
    heroku.ok("addons:attach", name, "-a", reports, "--credential", "analytics")
    assert re.search(
        r"analytics\b.*\n.*as DATABASE on .* app", listed := heroku.ok("pg:credentials", name, "-a", shop).out
    )
    assert "default" in listed
    shown = heroku.ok("pg:credentials:url", name, "--name", "analytics", "-a", shop).out
    login = re.search(r"user=(\S+) password=(\S+)", shown)
    assert login is not None
    assert f"{login[1]}:{login[2]}@" in api.config(reports)["DATABASE_URL"]
    before = api.config(shop)["DATABASE_URL"]
    heroku.ok("pg:credentials:rotate", name, "-a", shop, "--confirm", shop)
    after = api.config(shop)["DATABASE_URL"]
    assert before != after
    for url in (before, after, api.config(reports)["DATABASE_URL"]):
        with psycopg.connect(url) as session:
            session.execute("select 1")
