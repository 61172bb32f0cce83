"""An invoice as a page that prints well: one file, without anything from elsewhere."""

from __future__ import annotations

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from broker.billing.invoices import Document
from broker.faces.invoice_text import printed

_pages: Final = Environment(
    loader=PackageLoader("broker.faces", "templates"), autoescape=True, undefined=StrictUndefined
)
PRINTED_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
"""What goes with the page, and with the PDF: nothing is loaded, nothing is kept."""


def invoice_html(document: Document) -> str:
    """The page."""
    return _pages.get_template("invoice.html").render(bill=printed(document))
