"""What an operator types to lock somebody out and in again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

ACCOUNT = {"id": "01234567-89ab-7def-8123-456789abcdef", "email": "ann@example.com"}
FREE: dict[str, Any] = {**ACCOUNT, "locked": False, "locked_at": None, "locked_by": None, "reason": None}
LOCKED: dict[str, Any] = {
    **ACCOUNT, "locked": True, "locked_at": "2026-11-01T10:00:00Z", "locked_by": "olga@example.com", "reason": "fraud",
}  # fmt: skip
PATH = "/account-locks/ann%40example.com"


@pytest.fixture
def operator(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The command line of an operator of a broker with canned answers."""
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-operator")
    return broker


def test_an_account_is_locked_listed_and_unlocked(operator: Broker, canned: Canned) -> None:
    canned.answer(f"PUT {PATH}", body=LOCKED)
    canned.answer(f"DELETE {PATH}", body=FREE)
    canned.answer("GET /account-locks", body=[LOCKED])
    canned.answer("GET /account-locks", body=[])
    result = operator("accounts:lock", "ann@example.com", "--reason", "fraud", "--revoke-tokens")
    assert (result.status, "ann@example.com is locked since 2026-11-01" in result.err) == (0, True)
    assert json.loads(canned.seen[-1][2]) == {"reason": "fraud", "revoke_tokens": True}
    assert operator("accounts:locked").out.splitlines()[-1].split()[-2:] == ["olga@example.com", "fraud"]
    assert "No account is locked." in operator("accounts:locked").err
    assert "ann@example.com is not locked." in operator("accounts:unlock", "ann@example.com").err
    assert operator("accounts:lock", "ann@example.com").status == Exit.USAGE


def test_what_is_refused_says_why(operator: Broker, canned: Canned) -> None:
    canned.answer(f"PUT {PATH}", 409, {"id": "conflict", "message": "You can't lock your own account."})
    canned.answer("POST /teams/acme/actions/appoint-owner", body={"email": "bob@example.com", "role": "owner"})
    refused = operator("accounts:lock", "ann@example.com", "--reason", "fraud")
    assert (refused.status, "own account" in refused.err) == (Exit.FAILED, True)
    assert "bob@example.com is an owner of acme now." in operator("teams:appoint-owner", "acme", "bob@example.com").err
