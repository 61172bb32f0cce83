"""How add-ons, their plans and their operations look."""

from __future__ import annotations

import json
from typing import Any

from broker.cli.addon_listing import listing, with_foreign
from broker.cli.services import comparison
from tests.cli.conftest import Broker, Canned

PAID = {"cents": 500, "contract": False, "unit": "month"}


def addon(name: str, plan: str, app: str = "demo", state: str = "provisioned", **more: Any) -> dict[str, Any]:
    service = plan.partition(":")[0]
    return {
        "id": name, "name": name, "state": state, "app": {"id": app, "name": app}, "plan": {"name": plan, "price": PAID},
        "addon_service": {"name": service}, "billed_price": PAID, **more,
    }  # fmt: skip


def attachment(name: str, of: str, app: str) -> dict[str, Any]:
    return {"name": name, "addon": {"id": of}, "app": {"name": app}}


def test_a_list_shows_price_state_and_where_each_add_on_is_attached() -> None:
    found = [addon("postgresql-round-1000", "postgres:mini"), addon("my-redis", "redis:free", "other", "provisioning")]
    attachments = [
        attachment("DATABASE", "postgresql-round-1000", "demo"),
        attachment("MAIN_DB", "postgresql-round-1000", "other"),
        attachment("CACHE", "my-redis", "demo"),
    ]
    assert listing(found, attachments, "demo").splitlines() == [
        "Add-on                            Plan  Price              Max price  State",
        "────────────────────────────────  ────  ─────────────────  ─────────  ────────",
        "postgres (postgresql-round-1000)  mini  ~$0.007/hour       $5/month   created",
        "├─ as DATABASE",
        "└─ as MAIN_DB on other",
        "redis (my-redis)                  free  (billed to other)             creating",
        "└─ as CACHE",
    ]


def test_an_attachment_of_an_add_on_that_is_not_listed_is_shown_with_its_payer() -> None:
    foreign = {
        "name": "SHARED",
        "app": {"name": "demo"},
        "addon": {"id": "x", "name": "their-db", "app": {"name": "other"}},
    }
    [_, _, row, branch] = listing(with_foreign([], [foreign], "demo"), [foreign], "demo").splitlines()
    assert row.split() == ["?", "(their-db)", "?", "(billed", "to", "other)"]
    assert branch == "└─ as SHARED"


def plan(name: str, cents: int, **features: Any) -> dict[str, Any]:
    price = {"cents": cents, "contract": False, "unit": "month"}
    return {"name": name, "human_name": name.partition(":")[2].title(), "price": price, "features": features}


def test_plans_are_compared_feature_by_feature() -> None:
    found = [plan("redis:free", 0, Memory="25 MB"), plan("redis:mini", 500, Memory="100 MB", Persistence=True)]
    assert comparison(found, None).splitlines() == [
        "             redis:free  redis:mini",
        "───────────  ──────────  ────────────",
        "Name         Free        Mini",
        "Price        free        ~$0.007/hour",
        "Max price    free        $5/month",
        "Memory       25 MB       100 MB",
        "Persistence  -           yes",
    ]


def test_plans_too_many_for_the_terminal_stand_below_one_another() -> None:
    found = [plan("redis:free", 0, Memory="25 MB"), plan("redis:mini", 500, Memory="100 MB")]
    blocks = comparison(found, 20).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == ["redis:free", "redis:mini"]
    assert "Memory:     25 MB" in blocks[0]


def test_adding_tells_release_and_price(broker: Broker, canned: Canned, monkeypatch: Any) -> None:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "t")
    free = {"cents": 0, "contract": False, "unit": "month"}
    made = addon("sendgrid-1", "sendgrid:free", "intu-jokes", billed_price=free, config_vars=["SENDGRID_USERNAME"])
    canned.answer("POST /apps/intu-jokes/addons", 201, made)
    canned.answer("GET /apps/intu-jokes/releases", 206, [{"version": 8}])
    result = broker("addons:add", "sendgrid", "--app", "intu-jokes")
    assert (result.status, result.err) == (0, "Adding sendgrid on intu-jokes... done, v8 (free)\n")
    assert result.out == (
        "Created sendgrid-1 as SENDGRID_USERNAME\nUse `broker addons:docs sendgrid` to view documentation.\n"
    )
    assert canned.seen[-1][1]["range"] == "version ..; max=1, order=desc"


def test_waiting_ends_with_the_reason_of_a_failure(broker: Broker, canned: Canned, monkeypatch: Any) -> None:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "t")
    canned.answer("POST /apps/demo/addons", 201, addon("db", "postgres:mini", state="provisioning"))
    canned.answer("GET /apps/demo/addons/db", 200, addon("db", "postgres:mini", state="deprovisioned"))
    canned.answer("GET /addons/db/operations", 200, [{"kind": "provision", "state": "failed", "reason": "No room."}])
    result = broker("addons:create", "postgres:mini", "-a", "demo", "--wait")
    assert result.status == 1
    assert result.err.endswith("Error: postgres:mini could not be added: No room.\n")


def test_a_path_opens_that_place_in_the_dashboard(broker: Broker, canned: Canned, monkeypatch: Any) -> None:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "t")
    one = {
        "id": "1",
        "name": "STORE",
        "addon": {"id": "7"},
        "app": {"id": "9"},
        "web_url": "https://broker.example/plain",
    }
    canned.answer("POST /actions/addon-attachments/resolve", 200, [one])
    canned.answer("POST /addons/7/actions/open", 200, {"url": "https://broker.example/further"})
    assert broker("addons:open", "STORE", "-a", "demo").out == "https://broker.example/plain\n"
    assert broker("addons:open", "STORE", "-a", "demo", "--path", "/invoices").out == "https://broker.example/further\n"
    assert json.loads(canned.seen[-1][2]) == {"app": "9", "path": "/invoices"}
