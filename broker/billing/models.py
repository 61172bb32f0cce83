"""Tables of money. Append-only but for the end of a usage period."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class UsagePeriod(Base):
    """An add-on on a plan at a price, half-open [started_at, ended_at). Open while `ended_at` is null."""

    __tablename__ = "usage_periods"
    __table_args__ = (
        Index("uq_usage_periods_open", "addon_id", unique=True, postgresql_where=text("ended_at is null")),
        Index("ix_usage_periods_payer_id", "payer_id", "started_at"),
        Index("ix_usage_periods_addon_id", "addon_id", "started_at"),
        Index("ix_usage_periods_service", "service", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID]
    app_id: Mapped[UUID]
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_cents: Mapped[int]
    currency: Mapped[str]
    service: Mapped[str] = mapped_column(server_default="")
    plan: Mapped[str] = mapped_column(server_default="")
    """The slugs as they were: what was billed can be told without the catalog."""
    mode: Mapped[str] = mapped_column(server_default="paid")
    terms: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Everything else that the price consists of, such as meters; see `history.py`."""
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class BillingAccount(Base):
    """Who pays, and how it is billed: the account of a user, made when something needs it. Units: hundredths of a percent."""

    __tablename__ = "billing_accounts"
    __table_args__ = (Index("ix_billing_accounts_suspended", "id", postgresql_where=text("suspended_at is not null")),)

    id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    currency: Mapped[str | None]
    """Fixed by the first invoice."""
    zone: Mapped[str] = mapped_column(server_default="UTC")
    tax: Mapped[dict[str, Any] | None]
    discount_bp: Mapped[int] = mapped_column(server_default="0")
    delinquent_at: Mapped[datetime | None]
    """Since when an invoice of it is past due; with the dates that follow, this is what `payments/dunning.py` makes of it."""
    suspended_at: Mapped[datetime | None]
    """Since when its paid add-ons are suspended, or about to be: `addons/suspension.py` sees to it."""
    suspends_at: Mapped[datetime | None]
    deletes_at: Mapped[datetime | None]
    deleting_at: Mapped[datetime | None]
    """Since when its suspended add-ons are being deprovisioned."""
    verified_at: Mapped[datetime | None]
    """Since when operators let it have paid plans without a payment method: it pays by transfer."""
    gateway_customer: Mapped[str | None]
    """What the payment gateway knows it by."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class UsageEvent(Base):
    """What a provider reported of a meter, or that it takes an earlier report back. Never changed but for `line_id`."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_addon_id", "addon_id", "at"),
        Index("ix_usage_events_meter", "addon_id", "meter", text("at desc")),
        Index("ix_usage_events_voids", "addon_id", postgresql_where=text("voids is not null")),
    )

    source: Mapped[str] = mapped_column(primary_key=True)
    """The service that reports, and what it calls the part of it that counts."""
    id: Mapped[str] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID]
    meter: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric)
    at: Mapped[datetime]
    subject: Mapped[str] = mapped_column(server_default="")
    voids: Mapped[str | None]
    digest: Mapped[bytes]
    """Of what was reported: the same name with another content is refused."""
    received_at: Mapped[datetime]
    line_id: Mapped[UUID | None]
    """The line of an invoice that it was used up by."""


class InvoiceState(StrEnum):
    """Where the bill for a month is in its life."""

    OPEN = "open"
    """The month is not over: what `accrual.py` shows. Never stored."""
    DRAFT = "draft"
    STATEMENT = "statement"
    """Closed without an invoice: there was nothing to collect, or too little, which is carried forward."""
    FINALIZED = "finalized"
    """It has its number, and nothing but its state changes any more."""
    ISSUED = "issued"
    PAID = "paid"
    PAST_DUE = "past_due"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


INVOICE_TRANSITIONS: Final[dict[InvoiceState, frozenset[InvoiceState]]] = {
    InvoiceState.OPEN: frozenset({InvoiceState.DRAFT}),
    InvoiceState.DRAFT: frozenset({InvoiceState.FINALIZED, InvoiceState.STATEMENT}),
    InvoiceState.STATEMENT: frozenset(),
    InvoiceState.FINALIZED: frozenset({InvoiceState.ISSUED}),
    InvoiceState.ISSUED: frozenset({InvoiceState.PAID, InvoiceState.PAST_DUE, InvoiceState.VOID}),
    InvoiceState.PAST_DUE: frozenset({InvoiceState.PAID, InvoiceState.UNCOLLECTIBLE, InvoiceState.VOID}),
    InvoiceState.UNCOLLECTIBLE: frozenset({InvoiceState.PAID}),
    InvoiceState.PAID: frozenset({InvoiceState.PAST_DUE}),
    InvoiceState.VOID: frozenset(),
}
"""What was paid is owed again only if the bank of whoever paid takes the money back for good."""


class Invoice(Base):
    """What an account owes for a month in a currency. Units: minor units. Its rows are refused changes, but of the state."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("account_id", "currency", "month"),
        Index("ix_invoices_month", "month", "account_id"),
        Index("ix_invoices_unissued", "id", postgresql_where=text("state = 'finalized'")),
        Index("ix_invoices_unpaid", "id", postgresql_where=text("state in ('issued', 'past_due')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    email: Mapped[str]
    currency: Mapped[str]
    month: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    zone: Mapped[str]
    zone_data: Mapped[str]
    """The version of the rules of time zones by which the month was measured."""
    state: Mapped[str]
    number: Mapped[str | None] = mapped_column(unique=True)
    terms: Mapped[dict[str, Any]]
    """Tax, discount and credits as they were: with the history, all that it was computed from."""
    net_minor: Mapped[int]
    tax_minor: Mapped[int]
    prepaid_minor: Mapped[int]
    carried_minor: Mapped[int]
    """From months before."""
    due_minor: Mapped[int]
    """What is to be collected; of a statement, what is carried forward."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finalized_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]


class InvoiceLine(Base):
    """One line with everything that it was computed from, and that in words. Units: minor units; seconds."""

    __tablename__ = "invoice_lines"
    __table_args__ = (UniqueConstraint("invoice_id", "number"), Index("ix_invoice_lines_addon_id", "addon_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    number: Mapped[int]
    addon_id: Mapped[UUID]
    app_id: Mapped[UUID]
    addon: Mapped[str]
    app: Mapped[str]
    """Their names as they were at the close."""
    service: Mapped[str]
    plan: Mapped[str]
    price_id: Mapped[UUID]
    price: Mapped[dict[str, Any]]
    mode: Mapped[str]
    meter: Mapped[str | None]
    spans: Mapped[list[Any]]
    seconds: Mapped[int]
    topped_up_s: Mapped[int]
    quantity: Mapped[str]
    """Exact: a whole number or a fraction such as 1/3."""
    minor: Mapped[int]
    discount_minor: Mapped[int]
    promo_minor: Mapped[int]
    tax_minor: Mapped[int]
    share_bp: Mapped[int]
    explanation: Mapped[list[Any]]
    tags: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Those of the app at the close, over those of the account."""


class InvoiceCounter(Base):
    """The last number of a series. Counted up in the transaction that uses it, so that no number is lost."""

    __tablename__ = "invoice_counters"

    series: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class MonthClose(Base):
    """How far a month is closed for the accounts of a zone: all of them, once `closed_at` is set."""

    __tablename__ = "month_closes"

    zone: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[UUID | None]
    """The last account that was looked at."""
    closed_at: Mapped[datetime | None]


class CreditNote(Base):
    """What is taken back of an invoice. Units: minor units, positive."""

    __tablename__ = "credit_notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    number: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str]
    net_minor: Mapped[int]
    tax_minor: Mapped[int]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]


class CreditNoteLine(Base):
    """The part of a credit note that concerns one line."""

    __tablename__ = "credit_note_lines"

    credit_note_id: Mapped[UUID] = mapped_column(ForeignKey("credit_notes.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_lines.id"), primary_key=True)
    net_minor: Mapped[int]
    tax_minor: Mapped[int]


class CreditGrant(Base):
    """A credit that an account was given. What is left of it is this less its uses. Units: minor units."""

    __tablename__ = "credits"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    currency: Mapped[str]
    kind: Mapped[str]
    minor: Mapped[int]
    reason: Mapped[str]
    funded_by: Mapped[str] = mapped_column(server_default="platform")
    """At whose cost a promotional credit is."""
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]


class CreditUsed(Base):
    """How much of a credit a bill used up."""

    __tablename__ = "credit_uses"

    credit_id: Mapped[UUID] = mapped_column(ForeignKey("credits.id"), primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True, index=True)
    minor: Mapped[int]


class LedgerTransaction(Base):
    """One business event in the ledger, under a key that lets it happen once. Its entries sum to zero: the database sees to it."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (Index("ix_ledger_transactions_account_id", "account_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """The payer; none for what moves between the platform and a partner."""
    currency: Mapped[str]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id"), index=True)
    at: Mapped[datetime]


class LedgerEntry(Base):
    """A movement on one account of the ledger: debits positive, credits negative. Units: minor units. Never changed."""

    __tablename__ = "ledger_entries"

    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transactions.id"), primary_key=True)
    ledger_account: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True, server_default="")
    """Whose sales; empty for accounts that are not kept by service."""
    minor: Mapped[int]


class BillingCheck(Base):
    """One nightly comparison of all invoices with the history and the ledger; goes on where it was left."""

    __tablename__ = "billing_checks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    after: Mapped[UUID | None]
    """The last invoice that was looked at."""
    checked: Mapped[int]
    differences: Mapped[list[Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
