"""What a partner types to see what its provider was asked for and told, and to have it sent once more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

ADDON = {"id": "01234567-89ab-7def-8123-456789abcdef", "name": "my-store"}
OPERATION: dict[str, Any] = {
    "id": "11234567-89ab-7def-8123-456789abcdef", "addon": ADDON, "kind": "provision", "state": "pending", "attempts": 2,
    "request": {"method": "POST", "url": "https://store.example.com/heroku/resources", "body": {"uuid": "1"}},
    "steps": [{"at": "2026-11-01T09:00:00Z", "step": "answer", "status": "503"}], "next_attempt_at": None,
    "created_at": "2026-11-01T09:00:00Z", "finished_at": None, "replay": "now", "kept_back": None,
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "id": "21234567-89ab-7def-8123-456789abcdef", "addon": ADDON, "include": "api:addon", "host": "hooks.example.com",
    "level": "sync", "status": "failed", "num_attempts": 3, "answer": "500", "next_attempt_at": None,
    "failing_since": None, "created_at": "2026-11-01T09:00:00Z", "updated_at": "2026-11-01T09:00:00Z",
}  # fmt: skip
REFUSAL = {"id": "conflict", "message": "It succeeded: there is nothing left to be sent."}
OWN = "/provider-services/store"


@pytest.fixture
def elsewhere(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The command line of a user of a broker with canned answers."""
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-partner")
    return broker


def test_operations_are_listed_with_what_can_be_sent_again(elsewhere: Broker, canned: Canned) -> None:
    done = OPERATION | {"state": "succeeded", "replay": None, "steps": []}
    for found in ([OPERATION, done], [OPERATION], []):
        path = "/operations" if len(found) == 2 else "/operations?unfinished=true"
        canned.answer(f"GET {OWN}{path}", body=found)
    shown = elsewhere("provider:operations", "store").out.splitlines()
    assert shown[-1].split()[-6:] == ["2", "503", "can", "be", "sent", "now"]
    assert shown[-2].split()[-2:] == ["succeeded", "2"]
    assert json.loads(elsewhere("provider:operations", "store", "--open", "--json").out) == [OPERATION]
    assert "store has no open operations." in elsewhere("provider:operations", "store", "--open").err
    replay = f"POST {OWN}/operations/{OPERATION['id']}/actions/replay"
    canned.answer(replay, 202, {"operation": {"id": OPERATION["id"]}, "sent": "again"})
    canned.answer(replay, 409, REFUSAL)
    sent = elsewhere("provider:operations:replay", "store", OPERATION["id"])
    assert (sent.status, "as an operation of its own" in sent.err) == (0, True)
    refused = elsewhere("provider:operations:replay", "store", OPERATION["id"])
    assert (refused.status, REFUSAL["message"] in refused.err) == (Exit.FAILED, True)


def test_deliveries_are_listed_and_made_again(elsewhere: Broker, canned: Canned) -> None:
    canned.answer(f"GET {OWN}/webhook-deliveries?eq[status]=failed", body=[DELIVERY])
    canned.answer(f"GET {OWN}/webhook-deliveries", body=[])
    shown = elsewhere("provider:deliveries", "store", "--status", "failed").out
    for word in ("my-store", "hooks.example.com", "failed", "500"):
        assert word in shown
    assert "store has no deliveries." in elsewhere("provider:deliveries", "store").err
    canned.answer(
        f"POST {OWN}/webhook-deliveries/{DELIVERY['id']}/actions/retry", 202, DELIVERY | {"status": "pending"}
    )
    assert "will be made at once" in elsewhere("provider:deliveries:retry", "store", DELIVERY["id"]).err
    assert elsewhere("provider:deliveries", "store", "--status", "lost").status == Exit.USAGE
