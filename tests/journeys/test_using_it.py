"""What was provisioned is used as an app uses it: over the addresses in its config vars, with the usual libraries."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy
import valkey

from tests.journeys.conftest import Api, NewApp
from tests.journeys.mailing import submission
from tests.journeys.signing_on import form_of, sign_on
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

SEND = """
import os, smtplib
env = os.environ
with smtplib.SMTP(env["SENDGRID_HOST"], int(env["SENDGRID_PORT"])) as client:
    client.login(env["SENDGRID_USERNAME"], env["SENDGRID_PASSWORD"])
    client.sendmail("jokes@example.com", ["you@example.com"], "Subject: Knock knock\\r\\n\\r\\nWho is there?\\r\\n")
"""


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=120) as client:
        yield client


def cli(platform: Platform, folder: Path, *words: str) -> str:
    """What our command line prints, as a program of its own."""
    told = {"BROKER_URL": platform.url, "BROKER_TOKEN": platform.token, "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "broker", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **told},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rows_are_kept_across_a_plan_change(api: Api, app: str) -> None:
    api.add(app, "postgres")
    url = api.config(app)["DATABASE_URL"]
    with psycopg.connect(url) as session:
        session.execute("create table jokes (id int generated always as identity, text text)")
        session.execute("insert into jokes (text) values ('SELECT * FROM coffee')")
    changed = api.call("PATCH", f"/apps/{app}/addons/{api.get(f'/apps/{app}/addons')[0]['id']}", plan="postgres:basic")
    assert (changed.status_code, changed.json()["plan"]["name"]) == (200, "postgres:basic")

    assert api.config(app)["DATABASE_URL"] == url
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.connect() as session:
        assert session.execute(sqlalchemy.text("select text from jokes")).scalar_one() == "SELECT * FROM coffee"
    engine.dispose()


def test_keys_are_shared_by_the_apps_that_an_addon_is_attached_to(api: Api, new_app: NewApp) -> None:
    owner, guest = new_app(), new_app()
    name = api.add(owner, "redis")
    api.post("/addon-attachments", addon=name, app=guest, name="SHARED")
    with (
        valkey.from_url(api.config(owner)["REDIS_URL"]) as writer,
        valkey.from_url(api.config(guest)["SHARED_URL"]) as reader,
    ):
        writer.set("punchline", "ready")
        assert reader.get("punchline") == b"ready"


def test_a_mail_sent_by_the_app_is_read_in_the_dashboard(
    platform: Platform, api: Api, app: str, tmp_path: Path, browser: httpx.Client
) -> None:
    api.add(app, "sendgrid")
    cli(platform, tmp_path, "run", "--app", app, "--", sys.executable, "-c", SEND)
    link = cli(platform, tmp_path, "addons:open", "SENDGRID", "--app", app, "--show-url").strip()
    dashboard = sign_on(browser, link)
    assert dashboard.status_code == 200
    assert "Knock knock" in dashboard.text

    action, fields = form_of(browser.get(link).text)
    assert httpx.post(action, data=fields | {"email": "mallory@example.com"}, trust_env=False).status_code == 403
    page = browser.get(link)
    password = api.config(app)["SENDGRID_PASSWORD"]
    assert [secret for secret in (platform.token, password) if secret in page.text + dashboard.text] == []


def test_a_shell_reads_the_config_vars(platform: Platform, api: Api, app: str, tmp_path: Path) -> None:
    api.add(app, "postgres")
    awkward = 'it\'s $5 "only"\n\\ `now` ☕'
    api.call("PATCH", f"/apps/{app}/config-vars", AWKWARD=awkward)
    (tmp_path / ".env").write_text(cli(platform, tmp_path, "config", "-s", "--app", app))
    script = f'set -a; . ./.env; exec "{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    read = subprocess.run(["sh", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    found = json.loads(read.stdout)
    assert {name: found.get(name) for name in api.config(app)} == api.config(app)
    assert found["AWKWARD"] == awkward


def test_a_removed_addon_lets_nobody_in_any_more(api: Api, app: str) -> None:
    names = {api.add(app, plan) for plan in ("postgres", "redis", "sendgrid")}
    config = api.config(app)
    assert {api.delete(f"/apps/{app}/addons/{name}")["state"] for name in names} == {"deprovisioned"}
    assert api.config(app) == {}
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(config["DATABASE_URL"])
    with pytest.raises(valkey.ConnectionError), valkey.from_url(config["REDIS_URL"]) as keys:
        keys.ping()
    with submission(config) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(config["SENDGRID_USERNAME"], config["SENDGRID_PASSWORD"])
