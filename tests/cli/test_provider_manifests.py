"""What partners type: the way of a manifest against a real broker, and what may go wrong with files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from broker.cli.errors import Exit
from broker.kernel.vault import Vault
from tests.catalog.samples import cache_api, cache_manifest
from tests.cli.conftest import Broker, Canned
from tests.wire.serving import served

FILE = "addon-manifest.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The partner's directory, with a manifest in it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / FILE, cache_manifest())
    return tmp_path


@pytest.fixture
def partner(
    broker: Broker, live_database: str, vault: Vault, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[Broker]:
    """The command line of a user of a real broker."""
    with structlog.testing.capture_logs(), served(live_database, vault) as shop:  # the broker logs to our own output
        monkeypatch.setenv("BROKER_URL", shop.url)
        monkeypatch.setenv("BROKER_TOKEN", shop.token)
        yield broker


@pytest.fixture
def elsewhere(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The command line with canned answers."""
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-partner")
    return broker


def write(path: Path, contents: Any) -> None:
    path.write_text(json.dumps(contents))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_way_of_a_manifest(partner: Broker, folder: Path) -> None:
    pushed = partner("provider:manifest:push")
    assert pushed.status == 0, pushed.err
    assert pushed.out.startswith("acme-cache is at revision 1.\nOAuth client secret: HRKU-S-")
    assert read(folder / FILE) == {"$base": 1, **cache_manifest()}
    assert "no differences to revision 1" in partner("manifest:diff").err

    write(folder / FILE, read(folder / FILE) | {"name": "Renamed", "api": cache_api(password="canary-new")})
    compared = partner("provider:manifest:diff", "--exit-code")
    assert compared.status == Exit.FAILED
    assert '-  "name": "Acme Cache",\n+  "name": "Renamed",' in compared.out
    assert "*** (another one)" in compared.out
    assert "canary" not in compared.out
    assert json.loads(partner("provider:manifest:push", "--json").out)["revision"] == 2

    (folder / FILE).unlink()
    assert partner("provider:manifest:pull", "acme-cache", "--version", "1", "--to", "first.json").status == 0
    assert read(folder / "first.json") == {"$base": 1, **cache_manifest()}
    assert (folder / "first.json").stat().st_mode & 0o777 == 0o600
    outdated = partner("provider:manifest:push", "first.json")
    assert (outdated.status, "the newest is 2" in outdated.err) == (Exit.FAILED, True)
    assert "based on revision 1, the newest is 2: pull before you push" in partner("manifest:diff", "first.json").err

    listed = json.loads(partner("provider:manifest:versions", "acme-cache", "--json").out)
    assert [one["revision"] for one in listed] == [2, 1]
    assert "alice@example.com" in partner("manifest:versions", "acme-cache").out

    for missing in (("nope",), ("acme-cache", "--version", "99")):
        assert partner("manifest:pull", *missing).status == Exit.NOT_FOUND
    assert partner("manifest:pull", "acme-cache").status == 0
    assert partner("provider:rotate-secret", "acme-cache").status == 0
    rotated = read(folder / FILE)
    assert (rotated["$base"], rotated["api"]["password"] != "canary-new") == (3, True)
    assert partner("provider:client-secret", "acme-cache", "--immediate").out.startswith("OAuth client secret: HRKU-S-")


def test_the_life_of_a_listing_and_the_people_around_it(partner: Broker, folder: Path) -> None:
    assert "You work on no service" in partner("provider:listing").err
    partner("provider:manifest:push")
    assert "alpha" in partner("provider:listing").out
    shown = partner("provider:listing", "acme-cache").out
    assert "Next: beta (ask with `broker provider:review acme-cache`)" in shown
    assert "no       kit: Its provider passes the test kit." in shown
    write(folder / "kit.json", {"summary": {"passed": 3, "failed": 0, "warned": 0, "skipped": 0}, "checks": []})
    asked = partner("provider:review", "acme-cache", "--kit", "kit.json")
    assert asked.status == 0, asked.err
    assert "yes      kit:" in asked.out
    assert "under review" in partner("provider:listing", "acme-cache").out
    assert partner("services:approve", "acme-cache").status == Exit.NOT_FOUND
    assert [one["role"] for one in json.loads(partner("provider:members", "acme-cache", "--json").out)] == ["owner"]
    assert partner("provider:entitle", "acme-cache", "alice@example.com", "--plan", "mini").status == 0
    assert "mini" in partner("provider:entitlements", "acme-cache").out
    assert partner("provider:entitle:revoke", "acme-cache", "alice@example.com", "--plan", "mini").status == 0
    ended = partner("provider:sunset", "acme-cache", "--at", "2027-06-30", "--successor", "store")
    assert ended.out == "Acme Cache takes no new add-ons and ends on 2027-06-30; move to store before that day.\n"


def test_every_fault_is_a_line_and_the_file_stays(elsewhere: Broker, canned: Canned, folder: Path) -> None:
    faults = ["/name: is empty", "/api/regions: is missing"]
    body = {"id": "invalid_params", "message": "The manifest cannot be used:\n- one\n- two", "error": {"base": faults}}
    canned.answer("POST /api/v3/addons/acme-cache/manifests", 422, body)
    refused = elsewhere("provider:manifest:push")
    assert (refused.status, "- one\n- two" in refused.err) == (Exit.FAILED, True)
    assert read(folder / FILE) == cache_manifest()


@pytest.mark.parametrize("content", ['{"api": {"password": "canary"', '["canary"]', '{"name": "canary"}', '{"id": 7}'])
def test_a_file_that_is_no_manifest_is_refused_without_being_quoted(
    elsewhere: Broker, canned: Canned, folder: Path, content: str
) -> None:
    (folder / FILE).write_text(content)
    refused = elsewhere("provider:manifest:push")
    assert refused.status == Exit.FAILED
    assert FILE in refused.err
    assert "canary" not in refused.err
    assert canned.seen == []


def test_without_a_file_one_is_told_how_to_get_one(elsewhere: Broker, folder: Path) -> None:
    (folder / FILE).unlink()
    refused = elsewhere("provider:manifest:push")
    assert "provider:init" in refused.err
    assert "provider:init" in elsewhere("provider:manifest:diff").err


def test_the_misspelt_name_of_older_tools_is_read_with_a_warning(
    elsewhere: Broker, canned: Canned, folder: Path
) -> None:
    (folder / FILE).rename(folder / "addon_manifest.json")
    stored = {
        "id": "1",
        "revision": 4,
        "created_at": "2026-11-21T09:54:07Z",
        "contents": {"$base": 4, "id": "acme-cache"},
    }
    canned.answer("POST /api/v3/addons/acme-cache/manifests", 200, stored)
    pushed = elsewhere("provider:manifest:push")
    assert (pushed.status, "its right name is addon-manifest.json" in pushed.err) == (0, True)
    assert read(folder / "addon_manifest.json") == stored["contents"]


@pytest.mark.parametrize("at", ["tomorrow", "2027-13-01", ""])
def test_a_day_that_is_none_is_a_mistake_of_usage(elsewhere: Broker, canned: Canned, at: str) -> None:
    assert elsewhere("provider:sunset", "acme-cache", "--at", at).status == Exit.USAGE
    assert canned.seen == []


def test_users_of_a_service_that_ends_are_told_whenever_they_look(elsewhere: Broker, canned: Canned) -> None:
    end = {"at": "2999-01-01T00:00:00Z", "successor": "redis:mini", "message": "Old takes no new add-ons."}
    free = {"cents": 0, "contract": False, "unit": "month"}
    addon = {
        "id": "7", "name": "old-calm-1", "state": "provisioned", "app": {"id": "9", "name": "shop"}, "billed_price": free,
        "plan": {"name": "old:test", "price": free}, "addon_service": {"name": "old", "sunset": end},
        "created_at": "2026-11-21T09:54:07Z",
    }  # fmt: skip
    canned.answer("GET /addons", body=[addon])
    canned.answer("GET /addon-attachments", body=[])
    assert elsewhere("addons").err.splitlines()[-1] == "Warning: old: Old takes no new add-ons."
    canned.answer("POST /actions/addons/resolve", body=[addon])
    canned.answer("GET /addons/7/addon-attachments", body=[])
    shown = elsewhere("addons:info", "old-calm-1").out
    assert "2999-01-01, in " in shown
    assert "days; move to redis:mini before" in shown
    end["at"] = "2026-01-01T00:00:00Z"
    del canned.answers["POST /actions/addons/resolve"]
    canned.answer("POST /actions/addons/resolve", body=[addon])
    assert "2026-01-01, which is over; move to redis:mini" in elsewhere("addons:info", "old-calm-1").out


def test_a_badge_is_shown_where_services_are_chosen(elsewhere: Broker, canned: Canned, folder: Path) -> None:
    badge = {"at": "2026-11-21T09:00:00Z", "kit": "1.0", "strict": True, "summary": {"passed": 40}}
    canned.answer("POST /provider-services/acme-cache/conformance", body={"revision": 3})
    write(folder / "said.json", {"statement": {}, "signature": "x"})
    assert elsewhere("provider:badge", "acme-cache", "said.json").out.startswith("acme-cache is shown as conformant")
    service = {"name": "acme-cache", "human_name": "Acme Cache", "state": "ga", "conformance": badge}
    canned.answer("GET /addon-services", body=[service, service | {"name": "other", "conformance": None}])
    lines = elsewhere("addons:services").out.splitlines()
    assert [line.endswith("passed 2026-11-21") for line in lines[2:4]] == [True, False]
