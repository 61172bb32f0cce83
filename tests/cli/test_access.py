"""Sharing an app from the command line, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Broker, Canned

OWNER = {"id": "1", "user": {"id": "2", "email": "alice@example.com"}, "role": "owner"}
BOB = {"id": "3", "user": {"id": "4", "email": "bob+1@example.com"}, "role": "collaborator"}
PATH = "/apps/shop/collaborators"


@pytest.fixture
def alice(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-alice")
    monkeypatch.setenv("BROKER_APP", "shop")
    return broker


def test_who_works_on_an_app_is_listed(alice: Broker, canned: Canned) -> None:
    canned.answer(f"GET {PATH}", body=[OWNER, BOB])
    assert alice("access").out == "alice@example.com  owner\nbob+1@example.com  collaborator\n"
    assert json.loads(alice("access", "--json").out) == [OWNER, BOB]


def test_somebody_is_added_and_removed(alice: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}", 201, BOB)
    canned.answer(f"DELETE {PATH}/bob%2B1%40example.com", body=BOB)
    added = alice("access:add", "bob+1@example.com")
    assert (added.status, added.err) == (0, "Adding bob+1@example.com to shop... done\n")
    assert json.loads(canned.seen[-1][2]) == {"user": "bob+1@example.com"}
    removed = alice("access:remove", "bob+1@example.com", "--json")
    assert (removed.err, json.loads(removed.out)) == ("Removing bob+1@example.com from shop... done\n", BOB)


def test_one_leaves_under_ones_own_address(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account", body={"email": "bob+1@example.com"})
    canned.answer(f"DELETE {PATH}/bob%2B1%40example.com", body=BOB)
    left = alice("apps:leave", "shop")
    assert (left.status, left.err) == (0, "Leaving shop... done\n")


def test_what_somebody_attached_to_an_app_of_theirs_can_be_detached_there(alice: Broker, canned: Canned) -> None:
    away = {"id": "7", "name": "CACHE", "app": {"id": "9", "name": "bobs"}, "addon": {"name": "redis-1"}}
    for path in ("/apps/bobs/addon-attachments/CACHE", "/apps/bobs/addon-attachments/OTHER", "/apps/bobs/releases"):
        canned.answer(f"GET {path}", 404, {"id": "not_found", "message": "Couldn't find that app."})
    canned.answer("GET /addon-attachments", body=[away])
    canned.answer("DELETE /addon-attachments/7", body=away)
    detached = alice("addons:detach", "CACHE", "--app", "bobs")
    assert (detached.status, detached.err) == (0, "Detaching CACHE (redis-1) from bobs... done\n")
    assert "Couldn't find that app." in alice("addons:detach", "OTHER", "--app", "bobs").err


def test_a_refusal_is_told_in_the_brokers_words(alice: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}", 403, {"id": "forbidden", "message": "shop belongs to carol@example.com."})
    refused = alice("access:add", "bob@example.com")
    assert refused.status != 0
    assert "shop belongs to carol@example.com." in refused.err
