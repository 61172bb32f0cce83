"""What a partner types to have a provider tried again and again, and what comes of it on the screen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

ORDER: dict[str, Any] = {"every_s": 5400, "plan": None, "next_run_at": "2026-11-01T10:00:00Z", "reliability": None}
RUN: dict[str, Any] = {
    "at": "2026-11-01T09:00:00Z", "passed": True, "provision_ms": 1250, "plan": "mini", "fault": None,
}  # fmt: skip
FIGURE = {"measured": False, "summary": "Not measured yet: 2 runs.", "available_percent": None}


@pytest.fixture
def elsewhere(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The command line of a user of a broker with canned answers."""
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-partner")
    return broker


def test_an_order_is_given_in_minutes_hours_or_days(elsewhere: Broker, canned: Canned) -> None:
    canned.answer("PATCH /provider-services/store/canary", body=ORDER)
    canned.answer("PATCH /provider-services/store/canary", body=ORDER | {"every_s": None})
    out = elsewhere("provider:canary", "store", "--every", "90m", "--plan", "mini").out
    assert json.loads(canned.seen[-1][2]) == {"every_s": 5400, "plan": "mini"}
    assert "every 90m, with the cheapest plan" in out
    assert "No run yet." in out
    assert "never" in elsewhere("provider:canary", "store", "--every", "off").out
    assert json.loads(canned.seen[-1][2]) == {"every_s": None, "plan": None}
    for words in (("--every", "90"), ("--every", "0h"), ("--every", "1w"), ("--plan", "mini")):
        assert elsewhere("provider:canary", "store", *words).status == Exit.USAGE


def test_the_last_runs_are_shown_with_what_failed(elsewhere: Broker, canned: Canned) -> None:
    canned.answer("GET /provider-services/store/canary", body=ORDER | {"reliability": FIGURE})
    failed = RUN | {"passed": False, "provision_ms": None, "fault": "A delete succeeds. Instead it answered 500."}
    for runs in ([failed, RUN], [failed, RUN], []):
        canned.answer("GET /provider-services/store/canary-runs", body=runs)
    shown = elsewhere("provider:canary", "store").out.splitlines()
    assert shown[2].endswith("Not measured yet: 2 runs.")
    assert shown[-2].endswith("A delete succeeds. Instead it answered 500.")
    assert shown[-1].split()[-4:] == ["passed", "1.2", "s", "mini"]
    assert json.loads(elsewhere("provider:canary", "store", "--json").out)["runs"] == [failed, RUN]
    assert "`broker canary`" in elsewhere("provider:canary", "store").err
