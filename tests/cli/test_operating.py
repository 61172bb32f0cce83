"""What operators type, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

ORPHAN = {
    "id": "01234567-89ab-7def-8123-456789abcdef",
    "provider": "Store",
    "service": "store",
    "addon_id": "11234567-89ab-7def-8123-456789abcdef",
    "addon": "store-calm-1",
    "app": "shop",
    "ownership": "created",
    "resource_id": None,
    "plan": "store:big",
    "price_cents": 5000,
    "currency": "usd",
    "reason": "provisioning failed: lost",
    "since": "2026-11-01T10:00:00Z",
    "state": "open",
    "attempts": 3,
    "next_attempt_at": "2026-11-01T11:00:00Z",
    "last_answer": "unauthorized 401",
    "history": [],
    "updated_at": "2026-11-01T10:30:00Z",
}
GONE = {**ORPHAN, "id": "21234567-89ab-7def-8123-456789abcdef", "addon": "store-old-2", "state": "deleted"}


@pytest.fixture
def operator(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-operator")
    canned.answer("GET /orphans", body=[GONE, ORPHAN])
    return broker


def test_orphans_are_listed_open_ones_first_with_their_money(operator: Broker) -> None:
    result = operator("orphans")
    assert result.status == 0, result.err
    assert result.out.index("store-calm-1") < result.out.index("store-old-2")
    assert "store-calm-1 on shop (store:big, 50 USD/month)" in result.out
    assert "unauthorized 401" in result.out
    assert result.out.endswith("\n1 open, 50 USD a month at their last prices\n")
    assert json.loads(operator("orphans", "--json").out) == [GONE, ORPHAN]


def test_one_that_was_imported_says_that_it_is_never_deleted(operator: Broker, canned: Canned) -> None:
    canned.answer("GET /orphans?state=open", body=[{**ORPHAN, "ownership": "imported", "next_attempt_at": None}])
    assert "never: it was imported, not made here; resolve it" in operator("orphans", "--state", "open").out


def test_an_orphan_is_named_by_its_id_or_its_add_on(operator: Broker, canned: Canned) -> None:
    path = f"POST /orphans/{ORPHAN['id']}/actions"
    canned.answer(f"{path}/retry", body=ORPHAN)
    canned.answer(f"{path}/resolve", body={**ORPHAN, "state": "resolved"})
    assert (
        operator("orphans:retry", "store-calm-1").err
        == "Retrying the orphan of store-calm-1... will be tried at once\n"
    )
    done = operator("orphans:resolve", str(ORPHAN["id"]), "--reason", "by hand")
    assert done.err == "Resolving the orphan of store-calm-1... resolved\n"
    assert json.loads(canned.seen[-1][2]) == {"reason": "by hand"}
    assert operator("orphans:resolve", str(ORPHAN["id"])).status == Exit.USAGE
    assert "0 orphans go by 'nothing'" in operator("orphans:retry", "nothing").err


def test_forgetting_needs_a_reason(operator: Broker, canned: Canned) -> None:
    canned.answer("POST /addons/store-calm-1/actions/forget", body={"name": "store-calm-1", "state": "deprovisioned"})
    assert operator("addons:forget", "store-calm-1").status == Exit.USAGE
    result = operator("addons:forget", "store-calm-1", "--reason", "bankrupt", "--json")
    assert (result.status, json.loads(result.out)["state"]) == (0, "deprovisioned")
    assert json.loads(canned.seen[-1][2]) == {"reason": "bankrupt"}


def test_the_health_of_each_service_is_one_line(operator: Broker, canned: Canned) -> None:
    well = {
        "service": "mail", "name": "Mail", "circuit": "closed", "faults": 0, "last_fault": None, "last_fault_at": None,
        "last_ok_at": "2026-11-01T10:00:00Z", "next_try_at": None, "running": 1, "queued": 0, "waiting": 0,
    }  # fmt: skip
    ill = {**well, "service": "store", "circuit": "open", "faults": 7, "last_fault": "lost", "queued": 12}
    ill |= {"last_fault_at": "2026-11-01T10:01:00Z", "next_try_at": "2026-11-01T10:06:00Z"}
    canned.answer("GET /provider-health", body=[well, ill])
    canned.answer("GET /addon-services/store/health", body=ill)
    _, _, first, second = operator("services:health").out.splitlines()
    assert first.split()[:3] == ["mail", "ok", "0"]
    assert second.startswith("store    left alone  7 ")
    assert second.endswith("1 running, 12 queued, 0 waiting")
    canary = {"measured": True, "summary": "99.86 % of 720 runs since 2026-10-22 passed.", "available_percent": 99.9}
    real = {"measured": True, "succeeded_percent": 98.5, "median_ms": 1200, "p95_ms": 4000}
    record = {"service": "store", "canary": canary, "provisions": real}
    canned.answer("GET /addon-services/store/reliability", body=record)
    assert json.loads(operator("services:health", "store", "--json").out) == ill | {"reliability": record}
    nothing = {"service": "store", "canary": None, "provisions": real | {"measured": False}}
    canned.answer("GET /addon-services/store/reliability", body=nothing)
    told = operator("services:health", "store").out.splitlines()[-2:]
    assert told[0].endswith("99.86 % of 720 runs since 2026-10-22 passed. Up 99.90 % of the time that was watched.")
    assert told[1].endswith("98.50 % came into being; ready after 1.2 s, within 4.0 s in 95 of 100.")
    told = operator("services:health", "store").out.splitlines()[-2:]
    assert [line.partition(":")[2].split()[:2] for line in told] == [["Not", "measured:"], ["Too", "few"]]


def test_what_is_pending_is_one_line_each(operator: Broker, canned: Canned) -> None:
    run = {
        "addon": {"id": "x", "name": "store-calm-1"}, "app": {"name": "shop"}, "kind": "plan_change", "state": "pending",
        "reason": "Store is overloaded.", "next_attempt_at": "2026-11-01T10:00:00Z", "deadline_at": "2026-11-01T11:00:00Z",
    }  # fmt: skip
    canned.answer("GET /operations", body=[run])
    *_, line = operator("addons:operations").out.splitlines()
    assert line.startswith("store-calm-1  plan change  pending  Store is overloaded.  2026-11-0")
    assert operator("addons:operations", "--app", "other").err == "Nothing is pending.\n"


def test_drift_is_told_in_words_and_money_and_what_fix_would_do(operator: Broker, canned: Canned) -> None:
    drift = {
        "kind": "leftover", "service": "store", "addon_id": "x", "addon": "store-calm-1", "resource_id": "r-1",
        "price_cents": 5000, "currency": "usd", "explanation": "store still has it.", "fix": "an orphan is recorded",
        "fixed": False,
    }  # fmt: skip
    report = {
        "services": [
            {"service": "mail", "in_use": 2, "listed": None, "note": "gave no list: lost"},
            {"service": "store", "in_use": 3, "listed": 4, "note": None},
        ],
        "drifts": [drift],
        "not_shown": 0,
        "money": [{"currency": "usd", "unpaid_cents": 5000, "overbilled_cents": 0}],
    }
    canned.answer("POST /reconcile-runs", 201, {"id": "run-1", "state": "pending", "report": None})
    canned.answer("GET /reconcile-runs/run-1", body={"id": "run-1", "state": "finished", "report": report})
    result = operator("reconcile", "--service", "store")
    assert (result.status, result.err) == (0, "Comparing with the providers... 1 drift\n")
    assert json.loads(canned.seen[0][2]) == {"service": "store", "fix": False}
    assert result.out.splitlines() == [
        "=== Services",
        "mail: 2 in use; gave no list: lost",
        "store: 3 in use, 4 at the provider",
        "",
        "=== Drift",
        "leftover: store-calm-1, 50 USD/month",
        "  store still has it.",
        "  With --fix: an orphan is recorded.",
        "",
        "50 USD a month are there and not paid for, 0 USD paid for and not there",
    ]
    drift["fixed"] = True
    canned.answers["GET /reconcile-runs/run-1"] = []
    canned.answer("GET /reconcile-runs/run-1", body={"id": "run-1", "state": "finished", "report": report})
    assert "  Fixed: an orphan is recorded." in operator("reconcile", "--fix").out
    assert json.loads(operator("reconcile", "--fix", "--json").out)["report"] == report


def test_a_comparison_that_failed_is_an_error(operator: Broker, canned: Canned) -> None:
    canned.answer("POST /reconcile-runs", 201, {"id": "run-1", "state": "failed", "report": None})
    result = operator("reconcile")
    assert (result.status, "log of the worker" in result.err) == (Exit.FAILED, True)


FLAG = {
    "name": "installs", "service": None, "on": False, "meaning": "Add-ons are created.", "reason": "moving\x1b[31m",
    "changed_by": "olga@example.com", "changed_at": "2026-11-01T10:00:00Z",
}  # fmt: skip
TOUCHED = {**FLAG, "service": "store", "on": True}
UNTOUCHED = {**FLAG, "name": "notices", "on": True, "reason": None, "changed_by": None, "changed_at": None}


def test_flags_are_listed_and_switched(operator: Broker, canned: Canned) -> None:
    canned.answer("GET /flags", body=[FLAG, TOUCHED, UNTOUCHED])
    result = operator("flags")
    assert result.status == 0, result.err
    lines = [line.split() for line in result.out.splitlines()]
    assert ["installs", "off"] in [line[:2] for line in lines]
    assert ["installs", "of", "store", "on"] in [line[:4] for line in lines]
    assert ["notices", "on"] in [line[:2] for line in lines]
    assert "\x1b" not in result.out
    assert json.loads(operator("flags", "--json").out) == [FLAG, TOUCHED, UNTOUCHED]
    canned.answer("PUT /flags/installs", body=TOUCHED)
    done = operator("flags:set", "installs", "on", "--service", "store", "--reason", "moved")
    assert (done.status, "installs of store is on." in done.err) == (0, True)
    assert json.loads(canned.seen[-1][2]) == {"on": True, "reason": "moved", "service": "store"}
    for wrong in (["installs", "on"], ["install", "on", "--reason", "x"], ["installs", "maybe", "--reason", "x"]):
        assert operator("flags:set", *wrong).status == Exit.USAGE, wrong


@pytest.mark.parametrize(
    ("differences", "waiting_since", "verdict", "status"),
    [
        ([], None, "agrees", Exit.OK),
        ([], "2026-11-01T10:00:00Z", "waits", Exit.WAITS),
        (["Link 2 was changed."], "2026-11-01T10:00:00Z", "differs", Exit.FAILED),
    ],
)
def test_facts_that_wait_to_be_sealed_are_not_told_as_tampering(
    operator: Broker, canned: Canned, differences: list[str], waiting_since: str | None, verdict: str, status: Exit
) -> None:
    part = {"links": 2, "head": 2, "digest": "ab", "differences": differences, "after": None, "unsealed": 3}
    canned.answer("GET /audit/verification?after=0", body=part | {"waiting_since": waiting_since, "state": verdict})
    result = operator("audit:verify")
    assert result.status == status, result.err
    assert ("Start a worker" in result.err) == (verdict == "waits")
    told = json.loads(operator("audit:verify", "--json").out)
    assert (told["state"], told["waiting_since"]) == (verdict, waiting_since)
