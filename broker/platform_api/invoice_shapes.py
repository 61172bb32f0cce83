"""The shapes of bills and of what operators do with them. Outside the public schema of Heroku.

Amounts are whole numbers of the currency's smallest unit.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from broker.faces.shapes import Ref


class Invoice(TypedDict):
    """A closed month of an account in one currency: an invoice with a number, or a statement without."""

    id: str
    number: str | None
    state: str
    month: str
    period_start: str
    period_end: str
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    prepaid_minor: int
    carried_minor: int
    due_minor: int
    finalized_at: str | None
    issued_at: str | None


class InvoiceLine(TypedDict):
    """One line: what is fixed of an add-on on a plan, or one of its meters."""

    number: int
    addon: Ref
    app: Ref
    plan: str
    terms: str
    meter: str | None
    seconds: int
    quantity: str
    amount_minor: int
    discount_minor: int
    promotion_minor: int
    tax_minor: int


class CreditNote(TypedDict):
    """What was taken back of an invoice."""

    number: str
    reason: str
    net_minor: int
    tax_minor: int
    created_at: str


class InvoiceDocument(Invoice):
    """A bill with its lines."""

    email: str
    lines: list[InvoiceLine]
    credit_notes: list[CreditNote]


class LineExplanation(TypedDict):
    """How a line was computed, a sentence per step."""

    invoice: str
    line: int
    amount_minor: int
    currency: str
    sentences: list[str]


class AccountCredit(TypedDict):
    """A credit, and what is left of it."""

    id: str
    kind: str
    currency: str
    amount_minor: int
    left_minor: int
    reason: str
    granted_at: str
    expires_at: str | None


class ClosedMonth(TypedDict):
    """A part of closing what is due; `more` says that there is another one to ask for."""

    month: str | None
    accounts: int
    issued: int
    more: bool


class BooksCheck(TypedDict):
    """A part of the check of the books; `after` is where to go on, null at the end."""

    checked: int
    differences: list[str]
    after: str | None
