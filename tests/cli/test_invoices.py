"""invoices, credits and what operators do with the books, on answers that a broker gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Broker, Canned

INVOICE: dict[str, Any] = {
    "id": "1", "number": "INV-2026-000001", "state": "issued", "month": "2026-11", "currency": "usd",
    "period_start": "2026-11-01T00:00:00Z", "period_end": "2026-12-01T00:00:00Z", "net_minor": 1000, "tax_minor": 200,
    "total_minor": 1200, "prepaid_minor": 500, "carried_minor": 0, "due_minor": 700, "finalized_at": None,
    "issued_at": None,
}  # fmt: skip
LINE: dict[str, Any] = {
    "number": 1, "addon": {"id": "1", "name": "my-store"}, "app": {"id": "2", "name": "shop"}, "plan": "store:big",
    "terms": "paid", "meter": None, "seconds": 60, "quantity": "0", "amount_minor": 1000, "discount_minor": 0,
    "promotion_minor": 0, "tax_minor": 200,
}  # fmt: skip
NOTE = {"number": "CN-2026-000001", "reason": "was \x1b[2Jdown", "net_minor": 100, "tax_minor": 20, "created_at": ""}
DOCUMENT = INVOICE | {"email": "alice@example.com", "lines": [LINE], "credit_notes": [NOTE]}
CREDIT = {
    "id": "3", "kind": "promo", "currency": "usd", "amount_minor": 2500, "left_minor": 500, "reason": "welcome",
    "granted_at": "2026-11-01T00:00:00Z", "expires_at": None,
}  # fmt: skip


@pytest.fixture
def served(canned: Canned, monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Canned:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-" + "x" * 43)
    return canned


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_invoices_are_listed_with_what_is_due(broker: Broker, served: Canned) -> None:
    statement = INVOICE | {"number": None, "state": "statement", "month": "2026-10", "due_minor": 30}
    served.answer("GET /account/invoices", body=[INVOICE, statement])
    shown = words(broker("invoices").out)
    assert ["INV-2026-000001", "2026-11", "issued", "7.00", "USD"] in shown
    assert ["-", "2026-10", "statement", "0.30", "USD"] in shown
    assert json.loads(broker("invoices", "--json").out) == [INVOICE, statement]


def test_an_invoice_is_shown_with_its_lines_and_sums(broker: Broker, served: Canned) -> None:
    served.answer("GET /account/invoices/INV-2026-000001", body=DOCUMENT)
    result = broker("invoices:show", "INV-2026-000001")
    shown = words(result.out)
    assert ["1", "my-store", "shop", "store:big", "10.00", "USD"] in shown
    assert ["Tax", "2.00", "USD"] in shown
    assert ["Prepaid", "-5.00", "USD"] in shown
    assert ["Due", "7.00", "USD"] in shown
    assert "Credit note CN-2026-000001 takes back 1.20 USD" in result.out
    assert "\x1b[2J" not in result.out


def test_a_line_is_explained(broker: Broker, served: Canned) -> None:
    told = {
        "invoice": "INV-2026-000001",
        "line": 1,
        "amount_minor": 1000,
        "currency": "usd",
        "sentences": ["one", "two"],
    }
    served.answer("GET /account/invoices/INV-2026-000001/lines/1/explanation", body=told)
    assert broker("invoices:explain", "INV-2026-000001", "1").out.splitlines()[-2:] == ["one", "two"]


def test_a_file_that_is_refused_is_not_written(broker: Broker, served: Canned, tmp_path: Path) -> None:
    served.answer("GET /account/invoices/none.pdf", status=404, body={"id": "not_found", "message": "No such invoice."})
    result = broker("invoices:show", "none", "--pdf", str(tmp_path / "one.pdf"))
    assert (result.status, list(tmp_path.glob("*.pdf"))) == (4, [])


def test_what_comes_is_written_as_it_is(broker: Broker, served: Canned, tmp_path: Path) -> None:
    served.answer("GET /account/exports/focus?month=2026-11", body=["a", "b"])
    file = tmp_path / "focus.csv"
    assert broker("invoices:export", "--month", "2026-11", "--format", "focus", "-o", str(file)).status == 0
    assert json.loads(file.read_text()) == ["a", "b"]
    served.answer("GET /billing/exports/csv?month=2026-11", body=["c"])
    assert json.loads(broker("billing:export", "--month", "2026-11").out) == ["c"]


def test_credits_say_what_is_left(broker: Broker, served: Canned) -> None:
    served.answer("GET /account/credits", body=[CREDIT])
    assert ["5.00", "USD", "25.00", "USD", "promo", "never", "welcome"] in words(broker("credits").out)


def test_closing_goes_on_until_nothing_is_left(broker: Broker, served: Canned) -> None:
    part = {"month": "2026-11", "accounts": 200, "issued": 100, "more": True}
    served.answer("POST /billing/closes", body=part)
    served.answer("POST /billing/closes", body=part | {"more": False})
    assert json.loads(broker("billing:close", "--json").out) == {"accounts": 400, "issued": 200}


def test_differences_in_the_books_are_a_failure(broker: Broker, served: Canned) -> None:
    served.answer("GET /billing/check", body={"checked": 100, "differences": [], "after": "7"})
    served.answer("GET /billing/check?after=7", body={"checked": 1, "differences": ["it is wrong."], "after": None})
    result = broker("billing:check", "--json")
    assert (result.status, json.loads(result.out)) == (1, {"checked": 101, "differences": ["it is wrong."]})
    assert "1 differences in the books" in result.err


def test_books_that_are_right_say_so(broker: Broker, served: Canned) -> None:
    served.answer("GET /billing/check", body={"checked": 7, "differences": [], "after": None})
    result = broker("billing:check")
    assert (result.status, result.out) == (0, "7 bills are right.\n")


def test_a_credit_is_granted_in_the_words_of_people(broker: Broker, served: Canned) -> None:
    served.answer("POST /billing/credits", status=201, body=CREDIT)
    result = broker("billing:credit", "alice@example.com", "25", "--reason", "welcome", "--expires", "2027-01-01")
    assert "25.00 USD" in result.err
    assert json.loads(served.seen[-1][2]) == {
        "email": "alice@example.com", "amount_minor": 2500, "reason": "welcome", "kind": "promo", "currency": "usd",
        "expires_at": "2027-01-01T00:00:00Z", "funded_by": "platform",
    }  # fmt: skip


@pytest.mark.parametrize("amount", ["25.001", "much", "NaN", "1e999999999"])
def test_what_is_no_amount_is_not_sent(broker: Broker, served: Canned, amount: str) -> None:
    assert broker("billing:credit", "alice@example.com", amount, "--reason", "welcome").status == 2


def test_lines_are_taken_back_in_whole_or_in_part(broker: Broker, served: Canned) -> None:
    served.answer("GET /billing/invoices/INV-2026-000001", body=DOCUMENT)
    served.answer("POST /billing/invoices/INV-2026-000001/credit-notes", status=201, body=NOTE)
    result = broker("invoices:credit-note", "INV-2026-000001", "--reason", "down", "--line", "1=1.00", "--line", "2")
    assert "takes back 1.20 USD" in result.err
    assert json.loads(served.seen[-1][2]) == {"reason": "down", "lines": [{"line": 1, "net_minor": 100}, {"line": 2}]}


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("usd", "12.50", 1250), ("jpy", "1250", 1250), ("kwd", "1.25", 1250)]
)
def test_what_is_typed_is_an_amount_of_what_it_is_for(
    broker: Broker, served: Canned, currency: str, amount: str, minor: int
) -> None:
    made = {"id": "1", "state": "succeeded", "currency": currency, "amount_minor": minor, **NOTE}
    served.answer("GET /billing/payments/1", body={"currency": currency})
    served.answer("GET /billing/invoices/7", body={"currency": currency})
    for path in ("payments/1/refunds", "invoices/7/payments", "invoices/7/credit-notes"):
        served.answer(f"POST /billing/{path}", status=201, body=made)
    why = ("--reason", "down")
    for words in (
        ("payments:refund", "1", "--amount", amount, *why),
        ("payments:refund", "1", "--line", f"2={amount}", *why),
        ("payments:record", "7", amount, "--reference", "a bank"),
        ("invoices:credit-note", "7", "--line", f"2={amount}", *why, "--currency", currency.upper()),
    ):
        assert broker(*words).status == 0
        body = json.loads(served.seen[-1][2])
        assert body.get("amount_minor", body.get("lines", [{}])[0].get("net_minor")) == minor, words


@pytest.mark.parametrize(
    ("currency", "amount", "told"),
    [
        ("usd", "1.005", "at most 2 digits after the point"),
        ("jpy", "12.50", "no digits after the point"),
        ("kwd", "1.0005", "at most 3 digits after the point"),
        ("jpy", "12,50", "such as 25 JPY"),
    ],
)
def test_what_there_is_not_in_its_currency_is_refused_with_a_sentence(
    broker: Broker, served: Canned, currency: str, amount: str, told: str
) -> None:
    served.answer("GET /billing/payments/1", body={"currency": currency})
    served.answer("GET /billing/invoices/7", body={"currency": currency})
    for words in (
        ("payments:refund", "1", "--amount", amount, "--reason", "down"),
        ("payments:record", "7", amount, "--reference", "a bank"),
        ("budgets:set", amount, "--currency", currency.upper()),
        ("billing:receive", "alice@example.com", amount, "--reference", "a bank", "--currency", currency.upper()),
    ):
        refused = broker(*words)
        assert (refused.status, told in " ".join(refused.err.split())) == (2, True), refused.err
    assert not [each for each in served.seen if each[0].startswith("POST")]


def test_an_amount_of_another_currency_than_was_meant_changes_nothing(broker: Broker, served: Canned) -> None:
    served.answer("GET /billing/payments/1", body={"currency": "jpy"})
    refused = broker("payments:refund", "1", "--amount", "12", "--currency", "usd", "--reason", "down")
    assert (refused.status, "This is in JPY, not in USD" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("what", "outcome", "told"),
    [("payments", "succeeded", "for INV-7: succeeded."), ("refunds", "failed", "sent back: failed."), ("chargebacks", "lost", "for INV-7: lost.")],
)  # fmt: skip
def test_what_no_gateway_tells_is_settled(broker: Broker, served: Canned, what: str, outcome: str, told: str) -> None:
    made = {"amount_minor": 1250, "currency": "jpy", "invoice": "INV-7", "state": outcome}
    served.answer(f"POST /billing/{what}/7/settlement", body=made)
    done = broker(f"{what}:settle", "7", "--outcome", outcome, "--evidence", "a letter")
    assert (done.status, f"1250 JPY {told}" in done.err) == (0, True), done.err
    assert json.loads(served.seen[-1][2]) == {"outcome": outcome, "evidence": "a letter"}


def test_terms_are_shown_and_agreed(broker: Broker, served: Canned) -> None:
    tax = {"percent": "8.875", "inclusive": False, "note": "NY"}
    terms = {"email": "a@example.com", "zone": "UTC", "tax": tax, "discount_bp": 1250, "account_id": "1"}
    served.answer("GET /billing/terms/a%40example.com", body=terms)
    served.answer("PATCH /billing/terms/a%40example.com", body=terms)
    shown = broker("billing:terms", "a@example.com").out
    assert shown.splitlines()[1:3] == ["Tax       8.875 %, on top of the price (NY)", "Discount  12.50 %"]
    broker("billing:terms", "a@example.com", "--tax", "8.875", "--tax-note", "NY", "--discount", "12.5")
    assert json.loads(served.seen[-1][2]) == {"tax": tax, "discount_bp": 1250}
    broker("billing:terms", "a@example.com", "--no-tax", "--zone", "Europe/Berlin")
    assert json.loads(served.seen[-1][2]) == {"tax": None, "zone": "Europe/Berlin"}
    for wrong in (("--tax-note", "NY"), ("--tax", "1", "--no-tax"), ("--discount", "12.555")):
        assert broker("billing:terms", "a@example.com", *wrong).status == 2
