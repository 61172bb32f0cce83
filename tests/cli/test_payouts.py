"""What partners earn and are paid, on answers that a broker gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Broker, Canned

DAY: dict[str, Any] = {
    "day": "2026-12-04", "currency": "usd", "gross_minor": 1400, "refunded_minor": 200, "tax_minor": 200,
    "base_minor": 1000, "commission_minor": 300, "earned_minor": 840, "clawed_back_minor": 140, "paid_out_minor": 0,
    "balance_minor": 700,
}  # fmt: skip
BALANCE: dict[str, Any] = {
    "service": "store", "currency": "usd", "balance_minor": 700, "held_minor": 100, "reserved_minor": 0,
    "available_minor": 600, "minimum_minor": 2500, "payable_minor": 0, "on_its_way_minor": 30, "paid_minor": 0,
}  # fmt: skip
PAYOUT: dict[str, Any] = {
    "id": "0190", "service": "store", "currency": "usd", "day": "2026-12-14", "amount_minor": 700, "state": "failed",
    "reference": "", "reason": "sent \x1b[2Jback", "earned_until": "", "created_at": "", "approved_at": None,
    "finished_at": None,
}  # fmt: skip
SHARE = {"service": "store", "share_bp": 7250, "starts_at": "2027-01-01T00:00:00Z", "created_at": ""}


@pytest.fixture
def served(canned: Canned, monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Canned:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-" + "x" * 43)
    return canned


def words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_statement_shows_days_and_how_the_partner_stands(broker: Broker, served: Canned) -> None:
    served.answer("GET /provider-services/store/statements?since=2026-12-01", body=[DAY])
    served.answer("GET /provider-services/store/balances", body=[BALANCE])
    served.answer("GET /provider-services/store/balances", body=[BALANCE | {"payable_minor": 600}])
    coming = [{"month": None, "currency": "usd", "share_minor": 70, "forecast_minor": 70}]
    coming += [coming[0] | {"month": "2026-12", "forecast_minor": 2100}]
    served.answer("GET /provider-services/store/accruals", body=coming)
    shown = words(broker("provider:statement", "store", "--since", "2026-12-01").out)
    assert "Billed and not paid yet: 0.70 USD of it will be yours." in shown
    assert (
        "Being used in 2026-12: 0.70 USD by now is yours once it is paid, 21.00 USD by the end of the month." in shown
    )
    assert "2026-12-04 12.00 2.00 10.00 3.00 7.00 0.00 7.00" in shown
    assert (
        "Balance 7.00 USD, 1.00 USD held for now, 0.30 USD besides on its way. No payout yet: 6.00 USD is"
        " available, and the least is 25.00 USD."
    ) in shown
    served.answer("GET /provider-services/store/statements", body=[])
    result = broker("provider:statement", "store")
    assert "Nothing came in" in result.err
    assert "The next payout: 6.00 USD." in result.out


def test_payouts_are_listed_for_their_partner(broker: Broker, served: Canned) -> None:
    served.answer("GET /provider-services/store/payouts", body=[PAYOUT])
    served.answer("GET /provider-services/store/payouts", body=[])
    result = broker("provider:payouts", "store")
    assert "0190 2026-12-14 store 7.00 USD failed" in " ".join(result.out.split())
    assert "\x1b[2J" not in result.out
    assert "no payouts" in broker("provider:payouts", "store").err


def test_a_share_is_agreed_in_hundredths_of_a_percent(broker: Broker, served: Canned) -> None:
    served.answer("POST /provider-services/store/shares", status=201, body=SHARE)
    result = broker("services:share", "store", "7250", "--from", "2027-01-01")
    assert "gets 72.50 % from 2027-01-01T00:00:00Z on" in result.err
    assert json.loads(served.seen[-1][2]) == {"share_bp": 7250, "starts_at": "2027-01-01T00:00:00Z"}
    assert broker("services:share", "store", "10001").status == 2
    served.answer("GET /provider-services/store/shares", body=[SHARE])
    served.answer("GET /provider-services/store/shares", body=[])
    assert "72.50 %" in broker("services:share", "store").out
    assert "usual share" in broker("services:share", "store").err


def test_operators_draft_approve_export_and_mark(broker: Broker, served: Canned, tmp_path: Path) -> None:
    draft = PAYOUT | {"state": "draft", "reason": ""}
    served.answer(
        "POST /billing/payouts",
        body={
            "payouts": [draft],
            "left": [BALANCE | {"service": "mail"}],
            "unowned": [BALANCE | {"payable_minor": 600}],
        },
    )
    result = broker("payouts:run")
    assert "7.00 USD" in result.out
    assert "mail: Balance 7.00 USD" in result.out
    assert "store: 6.00 USD, and no owner" in result.out
    assert "payouts:approve" in result.err
    served.answer("POST /billing/payouts/actions/approve", body=[draft | {"state": "approved"}])
    assert "approved" in broker("payouts:approve", "0190").out
    assert json.loads(served.seen[-1][2]) == {"payouts": ["0190"]}
    served.answer("GET /billing/payouts/export?state=approved", body=b"payout,day\r\n0190,2026-12-14\r\n")
    file = tmp_path / "payouts.csv"
    broker("payouts:export", "-o", str(file))
    assert file.read_bytes() == b"payout,day\r\n0190,2026-12-14\r\n"
    served.answer("POST /billing/payouts/0190/actions/mark-paid", body=draft | {"state": "paid"})
    assert "to store is paid" in broker("payouts:mark-paid", "0190", "--reference", "T1").err
    served.answer("POST /billing/payouts/0190/actions/fail", body=PAYOUT)
    assert "to store is failed" in broker("payouts:fail", "0190", "--reason", "sent back").err
    served.answer("GET /billing/payouts?state=failed", body=[PAYOUT])
    assert "0190" in broker("payouts", "--state", "failed").out


def test_money_that_is_received_says_what_it_paid(broker: Broker, served: Canned) -> None:
    paid = [{"invoice": "INV-1", "amount_minor": 1000, "left_minor": 0}, {"invoice": "INV-2", "amount_minor": 500, "left_minor": 1500}]  # fmt: skip
    made = {"id": "1", "account_id": "2", "currency": "usd", "amount_minor": 1600, "reference": "SEPA 1", "paid": paid}
    served.answer("POST /billing/receipts", status=201, body=made | {"credit_minor": 100, "created_at": ""})
    said = broker("billing:receive", "alice@example.com", "16", "--reference", "SEPA 1").err
    assert "INV-1: 10.00 USD paid, in full." in said
    assert "INV-2: 5.00 USD paid, 15.00 USD left." in said
    assert "a prepaid credit of 1.00 USD" in said
    assert json.loads(served.seen[-1][2])["amount_minor"] == 1600
