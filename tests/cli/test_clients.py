"""OAuth clients and sessions on the command line, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

URIS = ["https://tool.example.com/callback", "https://tool.example.com/other"]
TOOL = {
    "id": "01234567-89ab-7def-8123-456789abcdef",
    "name": "Tool",
    "redirect_uri": "https://tool.example.com/callback",
    "redirect_uris": URIS,
    "secret": "HRKU-S-a**********wxyz",
    "public": False,
    "requires_pkce": True,
    "own_scopes": ["read"],
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-01T10:30:00Z",
}
WHOLE = {**TOOL, "secret": "HRKU-S-whole"}
PATH = f"/oauth/clients/{TOOL['id']}"


@pytest.fixture
def maker(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-maker")
    canned.answer("GET /oauth/clients", body=[TOOL])
    canned.answer(f"GET {PATH}", body=TOOL)
    return broker


def test_a_secret_is_printed_by_whatever_makes_it_and_by_nothing_else(maker: Broker, canned: Canned) -> None:
    canned.answer("POST /oauth/clients", 201, WHOLE)
    canned.answer(f"POST {PATH}/actions/rotate-credentials", body=WHOLE)
    canned.answer(f"PATCH {PATH}", body=TOOL)
    assert "HRKU-S-whole" in maker("clients:create", "Tool", *URIS, "--own-scope", "read", "--without-pkce").out
    assert json.loads(canned.seen[-1][2]) == {
        "name": "Tool", "redirect_uris": URIS, "public": False, "own_scopes": ["read"],
        "requires_pkce": False,
    }  # fmt: skip
    assert "HRKU-S-whole" in maker("clients:rotate", str(TOOL["id"])).out
    for quiet in (("clients",), ("clients:info", str(TOOL["id"])), ("clients:update", str(TOOL["id"]), "--pkce")):
        for form in (quiet, (*quiet, "--json")):
            result = maker(*form)
            assert result.status == 0, result.err
            assert "HRKU-S" not in result.out + result.err


def test_clients_are_listed_and_shown(maker: Broker, canned: Canned) -> None:
    assert maker("clients").out.splitlines()[-1].split() == ["Tool", TOOL["id"], TOOL["redirect_uri"]]
    shown = maker("clients:info", str(TOOL["id"])).out
    for text in ("with secret", "required", "read", "https://tool.example.com/other"):
        assert text in shown
    canned.answers["GET /oauth/clients"] = []
    canned.answer("GET /oauth/clients", body=[])
    assert maker("clients").err == "No OAuth clients.\n"


def test_only_what_is_given_is_changed(maker: Broker, canned: Canned) -> None:
    canned.answer(f"PATCH {PATH}", body=TOOL)
    assert maker("clients:update", str(TOOL["id"]), "--name", "New", "--own-scope", "").status == 0
    assert json.loads(canned.seen[-1][2]) == {"name": "New", "own_scopes": []}
    assert maker("clients:update", str(TOOL["id"])).status == Exit.USAGE


def test_a_client_is_destroyed_when_its_name_is_confirmed(maker: Broker, canned: Canned) -> None:
    canned.answer(f"DELETE {PATH}", body=TOOL)
    for words in ((), ("--confirm", "Other")):
        refused = maker("clients:destroy", str(TOOL["id"]), *words)
        assert (refused.status, "--confirm 'Tool'" in refused.err) == (Exit.FAILED, True)
    assert canned.seen[-1][0] == f"GET {PATH}"
    assert maker("clients:destroy", str(TOOL["id"]), "--confirm", "Tool").err == "Destroyed Tool.\n"


def test_browsers_are_listed_and_signed_out(maker: Broker, canned: Canned) -> None:
    session = {"id": "s-1", "description": "Firefox", "expires_in": 60, "created_at": "2026-11-01T10:00:00Z"}
    canned.answer("GET /oauth/sessions", body=[session])
    canned.answer("DELETE /oauth/sessions/s-1", body=session)
    assert "Firefox" in maker("sessions").out
    assert json.loads(maker("sessions", "--json").out) == [session]
    assert maker("sessions:destroy", "s-1").err == "Signed out Firefox.\n"
