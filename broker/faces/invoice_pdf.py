"""An invoice as PDF, on as many pages as it takes, with the fonts that every reader has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from broker.billing.invoices import Document
from broker.faces.invoice_text import Printed, printed

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT: Final = "helvetica"
_WRITTEN: Final = {
    "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "...", "€": "EUR", "•": "*",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "Œ": "OE", "œ": "oe", "≈": "about ",
}  # fmt: skip
_UNSEEN: Final = ("Cf", "Mn", "Me")
"""Marks that turn the direction of writing, join what is beside them, or stand on it."""
_WIDTHS: Final = (8, 92, 45, 35)
"""Of the columns, in millimetres."""


def invoice_pdf(document: Document) -> bytes:
    """The document. The same bill gives the same bytes."""
    from fpdf import FPDF  # noqa: PLC0415 - it brings image libraries along, and most processes print nothing

    bill = printed(document)
    pdf = FPDF(format="A4")
    pdf.set_creation_date(document.invoice.finalized_at or document.invoice.created_at)
    pdf.set_title(bill.title)
    pdf.set_margin(15)
    pdf.add_page()
    _head(pdf, bill)
    _lines(pdf, bill)
    _foot(pdf, bill)
    return bytes(pdf.output())


def _text(text: str) -> str:
    """What the fonts have no letters for is written in others, or shown as a question mark; the page has all of it."""
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter < " ":
        return letter if letter == "\n" else " "
    if letter < "\x7f" or "\xa0" <= letter <= "\xff":
        return letter
    plain = _WRITTEN.get(letter) or unicodedata.normalize("NFKD", letter).encode("latin-1", "ignore").decode("latin-1")
    return plain or ("" if unicodedata.category(letter) in _UNSEEN else "?")


def _head(pdf: FPDF, bill: Printed) -> None:
    from fpdf.enums import WrapMode  # noqa: PLC0415 - as above

    pdf.set_font(_FONT, "B", 18)
    pdf.cell(0, 12, _text(bill.title), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FONT, "", 10)
    for name, value in bill.facts:
        pdf.cell(28, 6, _text(name))
        pdf.multi_cell(0, 6, _text(value), wrapmode=WrapMode.CHAR, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(6)


def _lines(pdf: FPDF, bill: Printed) -> None:
    pdf.set_font(_FONT, "", 9)
    with pdf.table(
        col_widths=_WIDTHS, text_align=("LEFT", "LEFT", "LEFT", "RIGHT"), borders_layout="HORIZONTAL_LINES"
    ) as table:
        table.row(("#", "For", "Quantity", "Amount"))
        for line in bill.lines:
            table.row((line.number, _text(f"{line.what}\n{line.where}"), _text(line.quantity), line.amount))


def _foot(pdf: FPDF, bill: Printed) -> None:
    pdf.ln(4)
    for number, (name, amount) in enumerate(bill.sums, 1):
        pdf.set_font(_FONT, "B" if number == len(bill.sums) else "", 10)
        pdf.cell(135, 6, _text(name), align="R")
        pdf.cell(45, 6, amount, align="R", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FONT, "", 9)
    for note in bill.notes:
        pdf.ln(3)
        pdf.multi_cell(0, 5, _text(note), new_x="LMARGIN", new_y="NEXT")
