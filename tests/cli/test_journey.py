"""The command line against a running broker: the story, and what goes wrong in it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.cli.credentials import credentials_file
from broker.cli.errors import Exit
from tests.cli.conftest import Broker
from tests.platform import Platform

pytestmark = pytest.mark.journey

AWKWARD = {
    "EMPTY": "",
    "LINES": "one\ntwo\n",
    "QUOTES": 'it\'s "so"',
    "SHELL": "$HOME `id` \\ ; # ~ *",
    "UNICODE": "žluťoučký 日本",
}


@pytest.fixture
def user(broker: Broker, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The command line of a user who has just logged in with e-mail and password."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{platform.password}\n"))
    result = broker("login", "--url", platform.url, "--email", platform.email)
    assert result.status == 0, result.err
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return broker


@pytest.fixture
def app(user: Broker) -> Iterator[str]:
    """An app of this test alone."""
    name = f"cli-{uuid.uuid4().hex[:10]}"
    made = user("apps:create", name)
    assert (made.status, made.out) == (0, f"{name}\n"), made.err
    yield name
    user("apps:destroy", name, "--confirm", name)


def test_the_story_of_a_mail_service(user: Broker, app: str) -> None:
    assert "no add-ons" in user("addons", "--app", app).err

    added = user("addons:add", "sendgrid", "--app", app)
    assert added.status == 0, added.err
    assert re.fullmatch(rf"Adding sendgrid on {app}\.\.\. done, v\d+ \(free\)\n", added.err)
    assert "Use `broker addons:docs sendgrid` to view documentation." in added.out

    config = json.loads(user("config", "--app", app, "--json").out)
    assert {"SENDGRID_USERNAME", "SENDGRID_PASSWORD"} <= set(config)
    assert f"SENDGRID_USERNAME: {config['SENDGRID_USERNAME']}" in user("config", "--app", app).out

    assert user("addons:docs", "sendgrid").out.strip() != ""

    listed = user("addons", "--app", app).out
    assert listed.startswith(f"=== {app} Configured Add-ons\n")
    assert "└─ as SENDGRID" in listed

    [addon] = json.loads(user("addons", "--app", app, "--json").out)
    assert f"=== {addon['name']}\n" in user("addons:info", "sendgrid", "--app", app).out
    assert user("addons:open", "sendgrid", "--app", app, "--show-url").out.startswith("http")
    assert "provision: succeeded" in user("addons:operations", addon["name"]).out

    renamed = user("addons:rename", addon["name"], f"{app}-mail")
    assert (renamed.status, renamed.out) == (0, f"{app}-mail\n")

    gone = user("addons:remove", f"{app}-mail", "--app", app, "--confirm", app, "--wait")
    assert re.search(r"\.\.\. done, v\d+\n", gone.err), gone.err
    assert json.loads(user("config", "--app", app, "--json").out) == {}


def test_an_add_on_is_shared_with_a_second_app(user: Broker, app: str) -> None:
    assert user("addons:create", "postgres", "-a", app, "--name", f"{app}-db").status == 0
    second = f"{app}-2"
    assert user("create", second).status == 0
    attached = user("addons:attach", f"{app}-db", "-a", second, "--as", "MAIN")
    assert attached.status == 0, attached.err
    assert "MAIN_URL" in json.loads(user("config", "-a", second, "--json").out)
    assert f"as MAIN on {second}" in user("addons", "-a", app).out
    assert user("config:unset", "MAIN_URL", "-a", second).status == Exit.FAILED
    assert user("addons:detach", "MAIN", "-a", second).status == 0
    assert json.loads(user("config", "-a", second, "--json").out) == {}
    assert user("destroy", second, "--confirm", second).status == 0


def test_overwriting_a_var_needs_confirmation(user: Broker, app: str) -> None:
    assert user("config:set", "SENDGRID_USERNAME=mine", "-a", app).status == 0
    refused = user("addons:create", "sendgrid", "-a", app, "--as", "SENDGRID")
    assert refused.status == Exit.CONFIRM
    assert f"--confirm {app}" in refused.err
    assert user("addons:create", "sendgrid", "-a", app, "--as", "SENDGRID", "--confirm", app).status == 0


def test_a_plan_is_changed_and_compared(user: Broker, app: str) -> None:
    plans = json.loads(user("addons:plans", "redis", "--json").out)
    assert user("addons:plans", "redis").out.startswith("=== redis Plans\n")
    paid = next(plan["name"] for plan in plans if plan["price"]["cents"] > 0)
    assert user("addons:create", "redis", "-a", app, "--as", "CACHE").status == 0
    changed = user("addons:upgrade", "redis", paid, "-a", app, "--wait")
    assert changed.status == 0, changed.err
    assert "/month)" in changed.err
    [addon] = json.loads(user("addons", "-a", app, "--json").out)
    assert addon["plan"]["name"] == paid


def test_awkward_values_come_back_and_go_through_a_shell(
    user: Broker, app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = user("config:set", "-a", app, *(f"{name}={value}" for name, value in AWKWARD.items()))
    assert re.match(rf"Setting EMPTY, .* on {app}\.\.\. done, v\d+", done.err), done.err
    assert json.loads(user("config", "-a", app, "--json").out) == AWKWARD
    assert user("config:get", "LINES", "-a", app).out == AWKWARD["LINES"] + "\n"

    (tmp_path / ".env").write_text(user("config", "-s", "-a", app).out, encoding="utf-8")
    script = "set -a; . ./.env; exec env -0"
    shell = subprocess.run(["sh", "-c", script], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True)
    seen = dict(entry.split("=", 1) for entry in shell.stdout.decode().split("\0") if entry)
    assert {name: seen.get(name) for name in AWKWARD} == AWKWARD

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "NEW=\'a b\'" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    assert user("config:edit", "-a", app).status == 0
    assert json.loads(user("config", "-a", app, "--json").out) == {**AWKWARD, "NEW": "a b"}


def test_releases_are_listed_shown_and_gone_back_to(user: Broker, app: str) -> None:
    user("set", "FOO=1", "-a", app)
    user("set", "FOO=2", "-a", app)
    releases = json.loads(user("releases", "-a", app, "--json").out)
    assert [item["version"] for item in releases] == sorted((item["version"] for item in releases), reverse=True)
    before = releases[1]["version"]
    assert "FOO: 1" in user("releases:info", f"v{before}", "-a", app).out
    assert user("rollback", f"v{before}", "-a", app).status == 0
    assert user("config:get", "FOO", "-a", app).out == "1\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["config", "-a", "no-such-app"], Exit.NOT_FOUND),
        (["addons:info", "no-such-addon"], Exit.NOT_FOUND),
        (["addons:plans", "no-such-service"], Exit.NOT_FOUND),
        (["apps:create", "Not A Name"], Exit.FAILED),
        (["authorizations:info", "00000000-0000-0000-0000-000000000000"], Exit.NOT_FOUND),
    ],
)
def test_a_mistake_is_told_in_a_sentence(user: Broker, words: list[str], status: Exit) -> None:
    result = user(*words)
    assert result.status == status
    assert "Error: " in result.err
    assert "Traceback" not in result.err


def test_a_token_for_a_program_works_until_it_is_revoked(user: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    email = user("whoami").out
    made = json.loads(user("authorizations:create", "-d", "for a test", "--json").out)
    token = made["access_token"]["token"]
    monkeypatch.setenv("BROKER_TOKEN", token)
    assert user("whoami").out == email
    assert token not in user("authorizations", "--json").out
    monkeypatch.delenv("BROKER_TOKEN")
    assert user("authorizations:revoke", made["id"]).status == 0
    monkeypatch.setenv("BROKER_TOKEN", token)
    assert user("whoami").status == Exit.LOGIN


def test_logout_makes_the_token_void(user: Broker, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    token = user("auth:token").out.strip()
    assert user("logout").status == 0
    assert not credentials_file().exists()
    monkeypatch.setenv("BROKER_URL", platform.url)
    monkeypatch.setenv("BROKER_TOKEN", token)
    assert user("whoami").status == Exit.LOGIN


def test_a_wrong_password_is_refused(broker: Broker, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("not the password\n"))
    assert broker("login", "--url", platform.url, "--email", platform.email).status == Exit.LOGIN
