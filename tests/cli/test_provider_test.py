"""provider:test as it is typed: what it prints, its exit status, what it never shows, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from broker.testkit.results import GROUPS
from tests.cli.conftest import Broker
from tests.testkit.mutants.deprovision import FailsAtTheSecondDelete, KeepsEverySecond
from tests.testkit.mutants.provision import SaysThatItIsHtml
from tests.testkit.shelf import PASSWORD, SALT, Shelf
from tests.testkit.threads import manifest_file, running


def test_a_correct_provider_gives_status_0_and_json_of_the_fixed_form(broker: Broker, tmp_path: Path) -> None:
    shelf = Shelf()
    with running(shelf) as origin:
        result = broker("provider:test", str(manifest_file(tmp_path, origin)), "--json")
    assert result.status == 0
    report = json.loads(result.out)
    assert set(report) == {"summary", "checks"}
    assert set(report["summary"]) == {"passed", "failed", "warned", "skipped"}
    assert sum(report["summary"].values()) == len(report["checks"])
    assert all(set(check) == {"group", "name", "status", "detail", "sent", "received"} for check in report["checks"])
    assert list(dict.fromkeys(check["group"] for check in report["checks"])) == list(GROUPS)
    assert all(item.gone for item in shelf.items.values())


def test_no_secret_is_in_any_output(broker: Broker, tmp_path: Path) -> None:
    shelf = Shelf()
    page = tmp_path / "report.html"
    with running(shelf) as origin:
        manifest = str(manifest_file(tmp_path, origin))
        shown = broker("provider:test", manifest, "--json", "--report", str(page))
        text = broker("provider:test", manifest)
    secrets = {PASSWORD, SALT, *(shelf.secret(uuid) for uuid in shelf.items)}
    everything = shown.out + shown.err + page.read_text(encoding="utf-8") + text.out + text.err
    assert [secret for secret in secrets if secret in everything] == []
    assert not re.search(r"oken=[0-9a-f]{40}|\"code\": \"[0-9a-f]{8}-", everything)


def test_a_failure_is_told_with_what_was_sent_and_received(broker: Broker, tmp_path: Path) -> None:
    with running(FailsAtTheSecondDelete()) as origin:
        result = broker("provider:test", str(manifest_file(tmp_path, origin)), "--only", "deprovision")
    assert result.status == 1
    told = result.out.partition("FAIL  A second delete is answered with 410, 404 or success.")[2]
    assert "The second time it answered 500" in told
    assert f"sent      DELETE {origin}/heroku/resources/" in told
    assert "received  500 after" in told
    assert "\x1b" not in result.out + result.err
    assert re.search(r"\d+ passed, 1 failed, 0 warned, \d+ skipped\.", result.out)


def test_warnings_are_failures_when_that_is_asked_for(broker: Broker, tmp_path: Path) -> None:
    with running(SaysThatItIsHtml()) as origin:
        manifest = str(manifest_file(tmp_path, origin))
        assert broker("provider:test", manifest, "--only", "provision").status == 0
        strict = broker("provider:test", manifest, "--only", "provision", "--strict", "--json")
    assert strict.status == 1
    assert json.loads(strict.out)["summary"]["failed"] == 1


def test_the_base_url_replaces_the_origin_and_keeps_the_paths(broker: Broker, tmp_path: Path) -> None:
    with running(Shelf()) as origin:
        manifest = str(manifest_file(tmp_path, "https://shelf.example"))
        result = broker("provider:test", manifest, "--base-url", origin, "--only", "provision,sso", "--json")
    assert result.status == 0
    checks = json.loads(result.out)["checks"]
    assert {check["group"] for check in checks} == {"provision", "sso", "deprovision"}


def test_what_could_not_be_removed_is_named(broker: Broker, tmp_path: Path) -> None:
    shelf = KeepsEverySecond()
    with running(shelf) as origin:
        result = broker("provider:test", str(manifest_file(tmp_path, origin)), "--only", "provision")
    assert result.status == 1
    left = [uuid for uuid, item in shelf.items.items() if not item.gone]
    assert left
    assert all(uuid in result.err for uuid in left)


def test_a_manifest_with_faults_fails_and_nothing_is_called(broker: Broker, tmp_path: Path) -> None:
    manifest = manifest_file(tmp_path, "http://127.0.0.1:1", regions=[], config_vars=["lower"])
    result = broker("provider:test", str(manifest), "--json")
    assert result.status == 1
    report = json.loads(result.out)
    assert report["summary"]["failed"] == 1
    assert "/api/regions" in report["checks"][0]["detail"]
    assert "/api/config_vars" in report["checks"][0]["detail"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--plan", "giga"], "The manifest has no plan giga. Its plans are mini, maxi."),
        (["--only", "auth,everything"], "everything is no group: they are manifest, auth, provision"),
        (["--only", ""], "names no group: they are manifest, auth, provision"),
        (["--report", "no/such/report.html"], "no/such/report.html cannot be written: No such file or directory."),
        (["--base-url", "shelf"], "shelf is no origin"),
        (["--timeout", "-1"], "-1"),
        ([], "cannot be reached"),
    ],
)
def test_what_cannot_be_tested_gives_status_2(broker: Broker, tmp_path: Path, arguments: list[str], told: str) -> None:
    result = broker("provider:test", str(manifest_file(tmp_path, "http://127.0.0.1:1")), *arguments)
    assert result.status == 2
    assert told in result.err


def test_the_manifest_of_the_directory_is_taken_when_none_is_named(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "addon-manifest.json cannot be read" in broker("provider:test").err
    manifest_file(tmp_path, "https://shelf.example").rename(tmp_path / "addon-manifest.json")
    assert broker("provider:test", "--only", "manifest").status == 0


def test_a_file_that_is_no_manifest_gives_status_2(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{,}")
    assert "is not JSON (line 1)" in broker("provider:test", str(tmp_path / "notes.json")).err
    missing = broker("provider:test", str(tmp_path / "nothing.json"))
    assert (missing.status, "cannot be read" in missing.err) == (2, True)


class _Talkative(Shelf):
    def provisioned(self, uuid: str) -> Response:
        message = "<script>alert(1)</script>"
        return JSONResponse({"id": uuid, "config": self.config(uuid), "message": message}, 201)


def test_the_page_needs_nothing_else_and_shows_texts_as_texts(broker: Broker, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with running(_Talkative()) as origin:
        broker("provider:test", str(manifest_file(tmp_path, origin)), "--only", "provision", "--report", str(page))
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"<(link|img|iframe)|url\(|@import", html)
    assert '<html lang="en">' in html
    assert html.count("<h2") == 2


class _Holding(Shelf):
    """Holds plan changes for ever, and says when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = threading.Event()

    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        self.holds.set()
        return await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_what_it_made(tmp_path: Path, number: signal.Signals) -> None:
    shelf = _Holding()
    with running(shelf) as origin:
        command = [sys.executable, "-m", "broker", "provider:test", str(manifest_file(tmp_path, origin))]
        options = ["--only", "planchange,provision"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=environment) as kit:
            assert shelf.holds.wait(60)
            assert [item.gone for item in shelf.items.values()].count(False) >= 1
            kit.send_signal(number)
            _, err = kit.communicate(timeout=60)
    assert kit.returncode == 130
    assert "Interrupted." in err
    assert all(item.gone for item in shelf.items.values())
