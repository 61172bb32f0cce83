"""Transfers, payers, trials, scheduled changes and tags from the command line, against canned answers."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Broker, Canned

OFFER = {
    "id": "01a1ffaa-0000-7000-8000-000000000001",
    "app": {"id": "1", "name": "shop"},
    "owner": {"id": "2", "email": "alice@example.com"},
    "recipient": {"id": "3", "email": "bob@example.com"},
    "state": "pending",
    "plans": [{"plan": "redis:big", "price_cents": 5000, "currency": "usd", "metered": True}],
    "created_at": "2026-11-21T09:00:00Z",
    "updated_at": "2026-11-21T09:00:00Z",
}
ADDON_OFFER = OFFER | {"id": "9", "addon": {"id": "7", "name": "redis-1"}, "to_app": None}
ADDON = {
    "id": "7",
    "name": "redis-1",
    "app": {"id": "1", "name": "shop"},
    "plan": {"name": "redis:big"},
    "addon_service": {"name": "redis"},
}
PAYER = {
    "id": "5",
    "app": {"id": "1", "name": "shop"},
    "owner": {"id": "2", "email": "alice@example.com"},
    "payer": {"id": "3", "email": "bob@example.com"},
    "state": "pending",
    "plans": [],
    "created_at": "2026-11-21T09:00:00Z",
    "accepted_at": None,
    "ended_at": None,
}
TRIAL = {
    "addon_service": "redis",
    "addon": {"id": "7", "name": "redis-1"},
    "app": {"id": "1", "name": "shop"},
    "plan": "redis:big",
    "price_cents": 500,
    "currency": "usd",
    "started_at": "2026-11-21T09:00:00Z",
    "ends_at": "2026-12-05T09:00:00Z",
    "accepted_at": None,
    "outcome": None,
}


@pytest.fixture
def alice(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-alice")
    canned.answer("POST /actions/addons/resolve", body=[ADDON])
    return broker


def sent(canned: Canned) -> object:
    return json.loads(canned.seen[-1][2])


def test_an_app_and_an_add_on_are_offered_listed_and_accepted(alice: Broker, canned: Canned) -> None:
    canned.answer("POST /account/app-transfers", 201, OFFER)
    offered = alice("apps:transfer", "bob@example.com", "--app", "shop")
    assert (offered.status, sent(canned)) == (0, {"app": "shop", "recipient": "bob@example.com"})
    assert "broker transfers:accept shop" in offered.err
    canned.answer("POST /addons/7/actions/transfer", 201, ADDON_OFFER)
    assert "--to APP" in alice("addons:transfer", "redis-1", "--to-user", "bob@example.com").err
    assert alice("addons:transfer", "redis-1").status == 2
    for _ in range(5):
        canned.answer("GET /account/app-transfers", body=[OFFER])
        canned.answer("GET /account/addon-transfers", body=[ADDON_OFFER])
    listed = alice("transfers").out
    assert [line.split()[:2] for line in listed.splitlines()[2:]] == [["shop", "app"], ["redis-1", "addon"]]
    assert "pending  50.00 USD/month + usage" in listed
    canned.answer(f"PATCH /account/app-transfers/{OFFER['id']}", body=OFFER | {"state": "accepted"})
    assert "Accepting shop from alice@example.com... done" in alice("transfers:accept", "shop").err
    assert "--to" in alice("transfers:accept", "redis-1").err
    canned.answer("PATCH /account/addon-transfers/9", body=ADDON_OFFER)
    assert alice("apps:transfers:decline", "redis-1").status == 0
    assert sent(canned) == {"state": "declined"}
    assert "Nothing called 'other' is offered" in alice("transfers:decline", "other").err


def test_a_payer_is_asked_shown_and_ended(alice: Broker, canned: Canned) -> None:
    canned.answer("PUT /apps/shop/payer", 201, PAYER)
    assert "broker payers:accept shop" in alice("apps:payer", "shop", "bob@example.com").err
    owner = {"id": "not_found", "message": "shop is paid for by its owner, alice@example.com.", "resource": "payer"}
    canned.answer("GET /apps/shop/payer", 404, owner)
    canned.answer("GET /apps/shop/payer", body=PAYER)
    assert alice("apps:payer", "shop").out == "shop is paid for by its owner.\n"
    assert alice("apps:payer", "shop").out == "bob@example.com was asked to pay\n"
    canned.answer("GET /account/payers", body=[PAYER])
    assert alice("payers").out.splitlines()[2].split()[:4] == [
        "shop",
        "alice@example.com",
        "bob@example.com",
        "pending",
    ]
    for action in ("accept", "decline", "end"):
        canned.answer(f"POST /account/payers/shop/actions/{action}", body=PAYER)
        assert alice(f"payers:{action}", "shop").status == 0


def test_trials_and_plans_to_come_are_told_and_agreed_to(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account/trials", body=[TRIAL])
    assert "suspended, unless you accept" in alice("trials").out
    canned.answer("POST /addons/7/actions/accept-trial-end", body=TRIAL | {"accepted_at": "2026-11-22T09:00:00Z"})
    assert alice("trials:accept", "redis-1").err.endswith("after its trial... done, paid\n")
    change = {"plan": "redis:free", "effective_at": "2026-12-01T00:00:00Z", "asked_by": "alice@example.com"}
    canned.answer("PUT /addons/7/scheduled-plan-change", body=change)
    scheduled = alice("addons:downgrade", "redis-1", "free", "--at-period-end")
    assert (scheduled.status, sent(canned)) == (0, {"plan": "redis:free"})
    assert "broker addons:unschedule redis-1" in scheduled.err
    canned.answer("DELETE /addons/7/scheduled-plan-change", body=change)
    assert "it stays on redis:big" in alice("addons:unschedule", "redis-1").err


def test_tags_are_set_removed_and_costs_summed_up_by_them(alice: Broker, canned: Canned) -> None:
    canned.answer("PATCH /apps/shop/tags", body={"tags": {"team": "growth"}})
    assert alice("tags:set", "shop", "team=growth").out == "team:  growth\n"
    canned.answer("PATCH /account/tags", body={"tags": {}})
    assert alice("tags:unset", "--account", "team").status == 0
    assert sent(canned) == {"tags": {"team": None}}
    assert alice("tags:set", "team=growth").status == 2
    assert alice("tags:set", "shop", "team").status == 2
    line = {"addon": {"name": "a"}, "app": {"name": "shop"}, "plan": "redis:big", "tags": {"team": "growth"}}
    lines = [line | {"amount_minor": 100, "forecast_minor": 300}]
    lines += [line | {"tags": {}, "amount_minor": 20, "forecast_minor": 50}, *lines]
    costs = {"month": "2026-11", "statements": [{"currency": "usd", "lines": lines}]}
    for _ in range(3):
        canned.answer("GET /account/costs", body=costs)
    rows = [line.split() for line in alice("costs", "--by", "tag:team").out.splitlines()[-3:]]
    assert rows == [
        ["(none)", "0.20", "USD", "0.50", "USD"],
        ["growth", "2.00", "USD", "6.00", "USD"],
        ["Sum", "2.20", "USD", "6.50", "USD"],
    ]
    assert "redis" in alice("costs", "--by", "service").out
    refused = alice("costs", "--by", "weather")
    assert (refused.status, refused.out) == (2, "")
    assert "use app, service, plan or tag:NAME" in refused.err
