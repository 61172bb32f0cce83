"""The unmodified Heroku CLI manages OAuth clients, authorizations and sessions."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from tests.journeys.conftest import Api
from tests.journeys.heroku_cli import Heroku, surroundings
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(400)]

CALLBACK = "https://tool.example.com/callback"


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform)


def test_clients_are_registered_shown_changed_rotated_and_destroyed(heroku: Heroku, api: Api) -> None:
    made = heroku.ok("clients:create", "A tool", CALLBACK, "--json").json
    client_id = str(UUID(made["id"]))
    assert made["secret"].startswith("HRKU-S-")
    assert re.search(rf"A tool +{client_id} +{re.escape(CALLBACK)}", heroku.ok("clients").out)
    shown = heroku.ok("clients:info", client_id).out
    assert "A tool" in shown
    assert made["secret"] not in shown, "it is shown once"
    heroku.ok("clients:update", client_id, "--url", f"{CALLBACK}/2", "--name", "A better tool")
    assert api.get(f"/oauth/clients/{client_id}")["redirect_uri"] == f"{CALLBACK}/2"
    rotated = heroku.ok("clients:rotate", client_id, "--json").json
    assert rotated["secret"] != made["secret"]
    heroku.ok("clients:destroy", client_id)
    assert client_id not in [client["id"] for client in api.get("/oauth/clients")]
    assert "Couldn't find that client." in heroku.run("clients:info", client_id).said


def test_authorizations_are_updated_and_rotated(heroku: Heroku) -> None:
    made = heroku.ok("authorizations:create", "-d", "a journey", "-s", "read", "--json").json
    heroku.ok("authorizations:update", made["id"], "-d", "a better one")
    assert "a better one" in heroku.ok("authorizations:info", made["id"]).out
    rotated = heroku.ok("authorizations:rotate", made["id"]).out
    token = re.search(r"HRKU-\S+", rotated)
    assert token is not None
    assert token[0] != made["access_token"]["token"]
    heroku.ok("authorizations:revoke", made["id"])


def test_sessions_are_listed(heroku: Heroku, api: Api) -> None:
    for left in api.get("/oauth/sessions"):  # by a browser of another journey, if one came first
        heroku.ok("sessions:destroy", left["id"])
    assert "No OAuth sessions." in heroku.ok("sessions").out
    refused = heroku.run("sessions:destroy", "00000000-0000-7000-8000-000000000000")
    assert (refused.status, "Couldn't find that session." in refused.said) == (2, True)
