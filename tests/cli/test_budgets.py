"""Budgets and `--dry-run` from the command line, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.addon_listing import monthly_cost
from tests.cli.conftest import Broker, Canned

BUDGET = {
    "id": "1", "scope": {"kind": "app", "id": "7", "name": "shop"}, "limit_minor": 5000, "used_minor": 1598,
    "currency": "usd", "month": "2026-11", "policy": "block_new",
    "created_at": "2026-11-21T09:54:07Z", "updated_at": "2026-11-21T09:54:07Z",
}  # fmt: skip
WHOLE = {**BUDGET, "id": "2", "scope": {"kind": "account", "id": "8", "name": ""}, "policy": "notify"}
REQUEST = {
    "id": "3", "what": "store:big on shop", "amount_minor": 1598, "currency": "usd", "state": "pending",
    "expires_at": "2026-01-01T00:00:00Z", "used_at": None,
}  # fmt: skip
ADDON = {"id": "4", "name": "store-1", "app": {"id": "7", "name": "shop"}, "addon_service": {"name": "store"},
         "plan": {"name": "store:big"}, "state": "provisioned"}  # fmt: skip
PREVIEW: dict[str, Any] = {
    "action": "create", "addon": None, "plan": "store:big", "reversible": True, "reversibility": "Destroying takes it back.",
    "cost": {"currency": "usd", "monthly_before_minor": 0, "monthly_after_minor": 5000, "month": "2026-11",
             "month_delta_minor": 1598, "metered": True},
    "apps": [{"name": "shop", "release": 2, "added": ["STORE_URL"], "changed": ["OLD"], "removed": [], "may_change": []}],
    "obstacles": [],
}  # fmt: skip


@pytest.fixture
def alice(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-alice")
    return broker


def sent(canned: Canned) -> Any:
    return json.loads(canned.seen[-1][2])


def test_budgets_are_listed_with_what_is_used(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account/budgets", body=[BUDGET, WHOLE])
    assert alice("budgets").out.splitlines() == [
        "=== Budgets in 2026-11",
        "For                Limit      Used             At the limit      Budget ID",
        "─────────────────  ─────────  ─────────  ────  ────────────────  ─────────",
        "app shop           50.00 USD  15.98 USD  31 %  refuses new cost  1",
        "the whole account  50.00 USD  15.98 USD  31 %  tells             2",
    ]


def test_a_budget_is_set_in_the_main_unit(alice: Broker, canned: Canned) -> None:
    canned.answer("POST /account/budgets", 201, BUDGET)
    done = alice("budgets:set", "12.50", "--app", "shop", "--policy", "suspend_metered")
    assert (done.status, done.out) == (0, "15.98 USD of 50.00 USD are used in 2026-11.\n")
    assert sent(canned) == {
        "limit_minor": 1250,
        "currency": "usd",
        "policy": "suspend_metered",
        "scope": {"kind": "app", "name": "shop"},
    }
    alice("budgets:set", "1200", "--currency", "jpy")
    assert (sent(canned)["limit_minor"], sent(canned)["scope"]["kind"]) == (1200, "account")


def test_a_variable_of_the_shell_does_not_narrow_a_budget(
    alice: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_APP", "shop")
    canned.answer("POST /account/budgets", 201, WHOLE)
    alice("budgets:set", "50")
    assert sent(canned)["scope"] == {"kind": "account", "name": None}


@pytest.mark.parametrize("words", [["much"], ["1.005"], ["--", "-1"], ["nan"], ["5", "--app", "a", "--service", "b"]])
def test_what_is_no_amount_is_refused_here(alice: Broker, words: list[str]) -> None:
    assert alice("budgets:set", *words).status == 2


def test_a_budget_is_removed_by_what_it_is_for(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account/budgets", body=[BUDGET, WHOLE])
    canned.answer("DELETE /account/budgets/2", body=WHOLE)
    canned.answer("DELETE /account/budgets/1", body=BUDGET)
    assert alice("budgets:remove").err == "Removing the budget for the whole account... done\n"
    assert alice("budgets:remove", "--app", "shop").err == "Removing the budget for app shop... done\n"
    assert "There is no budget in USD for service store." in alice("budgets:remove", "--service", "store").err


def test_requests_are_listed_and_decided(alice: Broker, canned: Canned) -> None:
    canned.answer("GET /account/budget-requests", body=[REQUEST])
    canned.answer("POST /account/budget-requests/3/actions/approve", body=REQUEST)
    canned.answer("POST /account/budget-requests/3/actions/refuse", body=REQUEST)
    assert alice("budgets:requests").out.splitlines()[2].startswith("3           store:big on shop  15.98 USD")
    assert alice("budgets:approve", "3").err == "Approving 3... done, store:big on shop\n"
    assert alice("budgets:refuse", "3").err == "Refusing 3... done, store:big on shop\n"


def test_notices_are_listed(alice: Broker, canned: Canned) -> None:
    notice = {"month": "2026-11", "step": 80, "used_minor": 4100, "limit_minor": 5000, "currency": "usd",
              "created_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    canned.answer("GET /account/budgets/1/notices", body=[notice])
    assert alice("budgets:notices", "1").out.splitlines()[2].startswith("2026-11  80 %     41.00 USD  50.00 USD")


def test_a_dry_run_says_what_would_happen_and_asks_for_nothing_else(alice: Broker, canned: Canned) -> None:
    canned.answer("POST /actions/addons/preview", body=PREVIEW)
    found = alice("addons:create", "store:big", "--app", "shop", "--as", "DATA", "--dry-run", "--", "--size", "9")
    assert (found.status, found.out.splitlines()) == (
        0,
        [
            "=== Adding store:big (nothing was done)",
            "Per month:                 +50.00 USD (0.00 USD → 50.00 USD, and usage)",
            "Until the end of 2026-11:  +15.98 USD",
            "On shop:                   release v2",
            "                           adds STORE_URL",
            "                           changes OLD",
            "Undo:                      Destroying takes it back.",
        ],
    )
    assert [request[0] for request in canned.seen] == ["POST /actions/addons/preview"]
    assert (sent(canned)["attachment"], sent(canned)["config"]) == ("DATA", {"size": "9"})


def test_a_dry_run_of_what_would_be_refused_fails_like_it(alice: Broker, canned: Canned) -> None:
    conflict = {"id": "budget_exceeded", "message": "With it, shop would come to 51.00 USD."}
    canned.answer("POST /actions/addons/preview", body={**PREVIEW, "cost": None, "obstacles": [conflict]})
    found = alice("addons:create", "store:big", "--app", "shop", "--dry-run")
    assert (found.status, found.err) == (1, f"Warning: It would be refused: {conflict['message']}\n")
    assert json.loads(alice("addons:create", "store:big", "-a", "shop", "--dry-run", "--json").out)["obstacles"]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["addons:upgrade", "store-1", "huge"], {"action": "change_plan", "addon": "store-1", "plan": "store:huge"}),
        (["addons:destroy", "store-1", "--force"], {"action": "destroy", "addon": "store-1", "force": True}),
        (
            ["addons:attach", "store-1", "--app", "shop"],
            {
                "action": "attach",
                "addon": "store-1",
                "app": "shop",
                "attachment": None,
                "confirm": None,
                "namespace": None,
            },
        ),
        (["addons:detach", "STORE", "--app", "shop"], {"action": "detach", "attachment": "5"}),
    ],
)
def test_every_change_can_be_tried(alice: Broker, canned: Canned, words: list[str], body: dict[str, Any]) -> None:
    canned.answer("POST /actions/addons/resolve", body=[ADDON])
    canned.answer(
        "GET /apps/shop/addon-attachments/STORE", body={"id": "5", "name": "STORE", "addon": {"name": "store-1"}}
    )
    canned.answer("POST /actions/addons/preview", body={**PREVIEW, "action": body["action"], "addon": "store-1"})
    assert alice(*words, "--dry-run").status == 0
    assert sent(canned) == body
    assert canned.seen[-1][0] == "POST /actions/addons/preview"


def test_approval_is_asked_for(alice: Broker, canned: Canned) -> None:
    refusal = {"id": "budget_exceeded", "message": "Approval was asked for: request 3.", "request": "3"}
    canned.answer("POST /apps/shop/addons", 402, refusal)
    found = alice("addons:create", "store:big", "--app", "shop", "--request")
    assert (found.status, sent(canned)["request"]) == (1, True)
    assert "Approval was asked for: request 3." in found.err


def test_the_estimate_counts_what_the_app_pays_for() -> None:
    def addon(app: str, state: str = "provisioned", **amount: Any) -> dict[str, Any]:
        return {"app": {"name": app}, "state": state, "billed_price": {"cents": 0, "currency": "usd", **amount}}

    found = [
        addon("shop", cents=500),
        addon("shop", cents=1250, metered=True),
        addon("shop", cents=700, currency="eur"),
        addon("shop", "deprovisioned", cents=9900),
        addon("other", cents=9900),
    ]
    assert monthly_cost(found, "shop") == "7.00 EUR + 17.50 USD and usage"
    assert monthly_cost([]) == "0.00 USD"
