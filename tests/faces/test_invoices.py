"""Invoices on paper: whatever things are called, and however much of them was used."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.billing.invoices import CreditNoteView, Document, InvoiceView, LineView
from broker.faces.invoice_html import invoice_html
from broker.faces.invoice_pdf import _text, invoice_pdf
from broker.faces.invoice_text import printed, quantity_text
from broker.kernel.ids import new_id

AT = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
EVIL = '<script>alert("x")</script>'


def document(name: str = "my-store", tax: dict[str, Any] | None = None, tax_minor: int = 0) -> Document:
    """A bill in which everything that has a name is called so."""
    invoice = InvoiceView(
        new_id(), new_id(), f"{name}@example.com", "kwd", "2026-11", AT, END, "UTC", "issued", "INV-2026-000001", {"tax": tax},
        1250, tax_minor, 0, 0, 1250 + tax_minor, AT, END, END,
    )  # fmt: skip
    line = LineView(
        new_id(), 1, new_id(), name, new_id(), name, "store", "big", {}, "paid", name, [], 60, "10/3", 1250, 0, 0, tax_minor, 7000,
        (),
    )  # fmt: skip
    return Document(invoice, [line] * 3, [CreditNoteView("CN-2026-000001", name, 5, 0, END)])


@pytest.mark.parametrize(
    "name", ["x" * 250, "שלום עולם", "🦄‍🔥", "日本語", EVIL, "a\x00b\r\nc\x1b[2J", "– “Łódź” € …", ""]
)
def test_whatever_a_thing_is_called_it_is_printed(name: str) -> None:
    bill = document(name)
    paper, page = invoice_pdf(bill), invoice_html(bill)
    assert paper.startswith(b"%PDF")
    assert paper == invoice_pdf(bill), "the same every time"
    assert EVIL not in page
    assert "1.250 KWD" in page


def test_letters_that_the_fonts_of_readers_lack_are_written_in_others() -> None:
    assert _text("– “Łódź” €5… ‏naïve\u0301 日") == '- "Lódz" EUR5... naïve ?'


@pytest.mark.parametrize(
    ("quantity", "text"), [("1200", "1200"), ("1/8", "0.125"), ("10/3", "about 3.333333"), ("0", "0"), ("-1/2", "-0.5")]
)
def test_quantities_are_decimals(quantity: str, text: str) -> None:
    assert quantity_text(quantity) == text


def test_what_was_agreed_about_tax_is_printed_whether_there_is_any_or_not() -> None:
    owed = "Reverse charge: whoever is billed owes the tax."
    agreed = {"rate": "0", "inclusive": False, "note": owed}
    assert printed(document(tax=agreed)).notes[0] == owed
    sums = dict(printed(document(tax={"rate": "19/100", "inclusive": False, "note": ""}, tax_minor=238)).sums)
    assert sums["Tax (19 %)"] == "0.238 KWD"
    noted = printed(document(tax={"rate": "1/5", "inclusive": True, "note": "VAT 20 %"}, tax_minor=208))
    assert ("of which tax" in dict(noted.sums), [note for note in noted.notes if "VAT" in note]) == (True, [])
    both = printed(document(tax={"rate": "1/5", "inclusive": False, "note": owed}, tax_minor=250))
    assert (dict(both.sums)["Tax (20 %)"], both.notes[0]) == ("0.250 KWD", owed)
