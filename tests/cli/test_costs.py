"""costs and usage:addons, on answers that a broker gives."""

import json
from typing import Any

import pytest

from broker.cli.amounts import money
from broker.kernel.money import decimal
from tests.cli.conftest import Broker, Canned

TOTALS = dict.fromkeys("net_minor tax_minor total_minor prepaid_minor carried_minor due_minor".split(), 0)
LINE: dict[str, Any] = {
    "addon": {"id": "1", "name": "my-store"}, "app": {"id": "2", "name": "shop"}, "plan": "store:payg", "terms": "paid",
    "kind": "fixed", "meter": None, "label": None, "unit": None, "quantity": None, "seconds": 60, "amount_minor": 150,
    "forecast_minor": 300, "spans": [], "explanation": ["store:payg, in 2026-11:", "rounded to 1.50 USD"],
}  # fmt: skip
ROWS = LINE | {
    "kind": "metered", "meter": "rows", "label": "Rows\x1b[2J", "unit": "rows", "quantity": "12.5", "amount_minor": 7,
    "forecast_minor": 7, "explanation": [],
}  # fmt: skip
COSTS = {
    "month": "2026-11",
    "at": "2026-11-21T10:00:00Z",
    "statements": [
        {
            "currency": "usd",
            "now": TOTALS | {"net_minor": 157, "tax_minor": 30, "total_minor": 187, "due_minor": 187},
            "forecast": TOTALS | {"net_minor": 307, "tax_minor": 58, "total_minor": 365, "due_minor": 365},
            "lines": [LINE, ROWS],
        }
    ],
}


@pytest.fixture
def served(canned: Canned, monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Canned:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-" + "x" * 43)
    return canned


def test_costs_show_now_and_the_end_of_the_month(broker: Broker, served: Canned) -> None:
    served.answer("GET /account/costs", body=COSTS)
    shown = broker("costs", "--explain")
    assert (shown.status, shown.err) == (0, "")
    lines = [line.split() for line in shown.out.splitlines()]
    assert ["my-store", "shop", "store:payg", "1.50", "USD", "3.00", "USD"] in lines
    assert ["Tax", "0.30", "USD", "0.58", "USD"] in lines
    assert ["Due", "1.87", "USD", "3.65", "USD"] in lines
    assert "12.5 rows" in shown.out
    assert "  rounded to 1.50 USD" in shown.out
    assert "\x1b[2J" not in shown.out


def test_costs_of_an_app_have_a_sum_of_their_own(broker: Broker, served: Canned) -> None:
    served.answer("GET /account/costs?month=2026-11&app=shop", body=COSTS)
    shown = broker("costs", "--month", "2026-11", "-a", "shop")
    assert ["Sum", "1.57", "USD", "3.07", "USD"] in [line.split() for line in shown.out.splitlines()]
    assert "Tax" not in shown.out


def test_programs_get_it_all(broker: Broker, served: Canned) -> None:
    served.answer("GET /account/costs", body=COSTS)
    assert json.loads(broker("costs", "--json").out) == COSTS


def test_an_empty_month_is_said_to_be_empty(broker: Broker, served: Canned) -> None:
    empty = {"currency": "usd", "now": TOTALS, "forecast": TOTALS, "lines": []}
    served.answer("GET /account/costs", body=COSTS | {"statements": [empty]})
    assert "Nothing" in broker("costs").err


def test_usage_is_shown_by_meter(broker: Broker, served: Canned) -> None:
    meter = {"quantity": 12.5, "exact": "12.5", "meter": "rows", "unit": "rows", "kind": "counter"}
    served.answer("GET /apps/shop/usage", body={"addons": [{"id": "1", "name": "s", "meters": {"Rows": meter}}]})
    served.answer("GET /apps/none/usage", body={"addons": []})
    assert ["s", "Rows", "12.5", "rows"] in [
        line.split() for line in broker("usage:addons", "-a", "shop").out.splitlines()
    ]
    assert "No add-on of none is metered" in broker("usage:addons", "-a", "none").err


@pytest.mark.parametrize("currency", ["usd", "jpy", "kwd", "clp", "eur"])
def test_amounts_have_the_digits_that_the_broker_gives_them(currency: str) -> None:
    for minor in (0, 5, -5, 123456, -99):
        assert money(minor, currency) == f"{decimal(minor, currency)} {currency.upper()}"
