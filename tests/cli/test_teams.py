"""Teams from the command line, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Broker, Canned

TEAM = {"id": "1", "name": "acme", "role": "owner", "members": 2}
BOB = {
    "email": "bob@example.com",
    "role": "viewer",
    "two_factor_authentication": True,
    "created_at": "2026-11-21T09:54:07Z",
}
ASKED = {
    "email": "new@example.com",
    "role": "member",
    "team": {"id": "1", "name": "acme"},
    "invited_by": {"email": "alice@example.com"},
    "expires_at": "2026-11-28T09:54:07Z",
}


@pytest.fixture
def alice(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-alice")
    monkeypatch.delenv("BROKER_TEAM", raising=False)
    return broker


def test_teams_are_listed_made_and_ended(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /teams", body=[TEAM])
    canned.answer("POST /teams", 201, TEAM)
    canned.answer("GET /teams/acme", body=TEAM)
    canned.answer("DELETE /teams/1", 409, {"id": "conflict", "message": "The team acme owns apps."})
    assert alice("teams").out.splitlines()[2].split() == ["acme", "owner", "2"]
    assert (alice("teams:create", "acme").out, json.loads(canned.seen[-1][2])) == ("acme\n", {"name": "acme"})
    refused = alice("teams:destroy", "acme", "--confirm", "acme")
    assert refused.status != 0
    assert "The team acme owns apps." in refused.err


def test_members_come_change_and_go(alice: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    assert alice("members").status == 2
    monkeypatch.setenv("BROKER_TEAM", "acme")
    canned.answer("GET /teams/acme/members", body=[BOB])
    canned.answer("PUT /teams/acme/members", body=BOB)
    canned.answer("PATCH /teams/acme/members", body=BOB)
    canned.answer("DELETE /teams/acme/members/bob%40example.com", body=BOB)
    listed = alice("members").out.splitlines()
    assert listed[2].split()[:3] == ["bob@example.com", "viewer", "on"]
    assert json.loads(alice("members", "--role", "owner", "--json").out) == []
    for command, doing in (("members:add", "Adding"), ("members:set", "Making")):
        done = alice(command, "bob@example.com", "--role", "viewer")
        assert (done.status, doing in done.err) == (0, True)
        assert json.loads(canned.seen[-1][2]) == {"email": "bob@example.com", "role": "viewer"}
    assert alice("members:remove", "bob@example.com").err == "Removing bob@example.com from acme... done\n"
    assert alice("members:add", "bob@example.com", "--role", "boss").status == 2


def test_people_are_invited_and_answer(alice: Broker, canned: Canned) -> None:
    canned.answer("PUT /teams/acme/invitations", 201, ASKED)
    canned.answer("GET /teams/acme/invitations", body=[ASKED])
    canned.answer("GET /account/team-invitations", body=[ASKED])
    canned.answer("POST /account/team-invitations/actions/accept", body=ASKED)
    assert alice("members:invite", "new@example.com", "-t", "acme", "-r", "member").status == 0
    assert "new@example.com" in alice("members:invitations", "--team", "acme").out
    assert alice("members:invitations").out.splitlines()[2].startswith("acme")
    assert alice("members:accept", "acme").err == "Joining acme... done\n"
    assert json.loads(canned.seen[-1][2]) == {"invitation": "acme"}


def test_what_is_done_for_a_team_says_so(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account/budgets?team=acme", body=[])
    canned.answer("GET /account/budgets", body=[])
    canned.answer("GET /teams/acme/apps", body=[])
    canned.answer("GET /account", body={"email": "alice@example.com"})
    canned.answer("PATCH /teams/apps/shop", body={"name": "shop"})
    assert alice("budgets", "--team", "acme").status == alice("budgets").status == 0
    assert [request for request, *_ in canned.seen] == ["GET /account/budgets?team=acme", "GET /account/budgets"]
    assert alice("apps", "--team", "acme").status == 0
    assert alice("apps:transfer", "acme", "--app", "shop").err == "Transferring shop to acme... done\n"
    assert json.loads(canned.seen[-1][2]) == {"owner": "acme"}
