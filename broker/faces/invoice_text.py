"""What an invoice says, in words and written amounts: the same for the page and for the PDF. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from broker.billing.explain import number
from broker.billing.invoices import Document, LineView
from broker.kernel.money import Money, decimal, rounded

_SHOWN: Final = 10**6
_SHORT: Final = 40
"""What is longer has no room beside an amount."""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line as it is printed."""

    number: str
    what: str
    where: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A bill as it is printed."""

    title: str
    facts: Sequence[tuple[str, str]]
    lines: Sequence[PrintedLine]
    sums: Sequence[tuple[str, str]]
    notes: Sequence[str]


def printed(document: Document) -> Printed:
    """The texts of a bill."""
    invoice = document.invoice
    facts = [
        ("Billed to", invoice.email),
        ("For", f"{invoice.month} ({invoice.starts_at:%Y-%m-%d} until {invoice.ends_at:%Y-%m-%d}, {invoice.zone})"),
        ("Date", f"{invoice.finalized_at or invoice.created_at:%Y-%m-%d}"),
        ("State", invoice.state.replace("_", " ")),
    ]
    title = f"Invoice {invoice.number}" if invoice.number else f"Statement for {invoice.month}"
    return Printed(title, facts, [_line(document, line) for line in document.lines], _sums(document), _notes(document))


def _line(document: Document, line: LineView) -> PrintedLine:
    plan = f"{line.service}:{line.plan}" + ("" if line.mode == "paid" else f" ({line.mode})")
    quantity = f"{quantity_text(line.quantity)} {line.meter}" if line.meter else f"{line.seconds} seconds"
    what = f"{plan}, {line.meter}" if line.meter else plan
    where = f"{line.addon} on {line.app}"
    return PrintedLine(str(line.number), what, where, quantity, decimal(line.minor, document.invoice.currency))


def quantity_text(quantity: str) -> str:
    """How much was used, as a decimal; what has none, such as a third, is rounded and says so."""
    exact = number(Fraction(quantity))
    return exact if "/" not in exact else f"about {number(Fraction(rounded(Fraction(quantity) * _SHOWN), _SHOWN))}"


def _sums(document: Document) -> list[tuple[str, str]]:
    """From the lines to what is due; what is nothing is left out but for the last."""
    invoice = document.invoice
    lines = document.lines
    beside = _beside_tax(document)
    steps = [
        ("Discount", -sum(line.discount_minor for line in lines)),
        ("Promotional credits", -sum(line.promo_minor for line in lines)),
        (f"Tax ({beside})" if beside else "Tax", invoice.tax_minor),
        ("Carried from months before", invoice.carried_minor),
        ("Prepaid", -invoice.prepaid_minor),
    ]
    shown = [("Sum", sum(line.minor for line in lines)), *(step for step in steps if step[1])]
    if document.is_inclusive:
        shown = [("of which tax" if name.startswith("Tax") else name, minor) for name, minor in shown]
    due = ("Due" if invoice.number else "Carried forward", invoice.due_minor)
    return [(name, str(Money(minor, invoice.currency))) for name, minor in [*shown, due]]


def _beside_tax(document: Document) -> str:
    """What is printed beside the tax: what was agreed, or how much it is."""
    tax = document.invoice.terms.get("tax")
    if not tax:
        return ""
    note = str(tax["note"])
    return note if 0 < len(note) <= _SHORT else f"{quantity_text(str(Fraction(tax['rate']) * 100))} %"


def _notes(document: Document) -> list[str]:
    """What is printed below: also why there is no tax, such as that whoever is billed owes it."""
    currency, tax = document.invoice.currency, document.invoice.terms.get("tax")
    note = str(tax["note"]) if tax else ""
    is_beside = document.invoice.tax_minor and len(note) <= _SHORT
    return [note] * (bool(note) and not is_beside) + [
        f"Credit note {note.number} of {note.created_at:%Y-%m-%d} takes back"
        f" {Money(note.net_minor + note.tax_minor, currency)}: {note.reason}"
        for note in document.credit_notes
    ]
