"""Tables of payments. No card number is ever in them: cards are known by the references of the gateway that keeps them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class MethodState(StrEnum):
    """Whether a payment method is of use."""

    ACTIVE = "active"
    REMOVED = "removed"


class PaymentState(StrEnum):
    """Where one attempt at an invoice is in its life."""

    PENDING = "pending"
    """A job is going to ask the gateway."""
    CALLING = "calling"
    WAITING = "waiting"
    """The gateway is at work on it, and tells, or is asked again, how it ended."""
    UNSURE = "unsure"
    """The gateway was asked, and its answer is not known: it is asked again under the same key."""
    ACTION_NEEDED = "action_needed"
    """Whoever pays has to confirm it: at `action_url` while there is one, else by paying by hand."""
    SUCCEEDED = "succeeded"
    """For good."""
    FAILED = "failed"
    """Looked at again when the gateway says so: money may have come all the same."""


class RefundState(StrEnum):
    """Where a refund is in its life."""

    PENDING = "pending"
    CALLING = "calling"
    UNSURE = "unsure"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class SetupState(StrEnum):
    """Where the adding of a payment method on the gateway's page is in its life."""

    PENDING = "pending"
    OPEN = "open"
    """The page is there, and waits for its user."""
    DONE = "done"
    OVER = "over"
    """Nobody came in time, or the gateway did not make a page."""


OPEN_SETUPS: Final = (SetupState.PENDING, SetupState.OPEN)
"""The states in which something may still be added."""


class PaymentMethod(Base):
    """What an account pays with, as the gateway describes it."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        UniqueConstraint("gateway", "reference"),
        Index("ix_payment_methods_account_id", "account_id", "created_at"),
        Index(
            "uq_payment_methods_default",
            "account_id",
            unique=True,
            postgresql_where=text("is_default and state = 'active'"),
        ),
        Index(
            "ix_payment_methods_unforgotten",
            "id",
            postgresql_where=text("state = 'removed' and forgotten_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    gateway: Mapped[str]
    reference: Mapped[str]
    brand: Mapped[str]
    last4: Mapped[str]
    exp_month: Mapped[int]
    exp_year: Mapped[int]
    state: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]
    """When the gateway, too, had removed it."""


class PaymentSetup(Base):
    """A page of the gateway on which its user adds a payment method."""

    __tablename__ = "payment_setups"
    __table_args__ = (
        Index("ix_payment_setups_account_id", "account_id"),
        Index("ix_payment_setups_reference", "reference"),
        Index("ix_payment_setups_due", "next_at", postgresql_where=text("state in ('pending', 'open')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str]
    return_url: Mapped[str]
    reference: Mapped[str | None]
    url: Mapped[str | None]
    method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id"))
    tries: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Payment(Base):
    """One attempt at an invoice. Its id is what the gateway knows it by. Units: minor units of `currency`."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("invoice_id", "attempt"),
        Index("uq_payments_unfinished", "invoice_id", unique=True, postgresql_where=text("finished_at is null")),
        Index("ix_payments_account_id", "account_id", "created_at"),
        Index("ix_payments_created_at", text("created_at desc"), text("attempt desc")),
        Index("ix_payments_gateway_reference", "gateway_reference"),
        Index("ix_payments_due", "next_at", postgresql_where=text("next_at is not null")),
        Index("ix_payments_leased", "lease_until", postgresql_where=text("lease_until is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id"))
    """Null for what was paid past every gateway, such as by bank transfer."""
    gateway: Mapped[str]
    attempt: Mapped[int]
    """Counted from 1 for each invoice."""
    minor: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    by_hand: Mapped[bool] = mapped_column(server_default=false())
    """Whether whoever pays is there, and can confirm it."""
    gateway_reference: Mapped[str | None]
    action_url: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    collected_minor: Mapped[int] = mapped_column(server_default="0")
    """What of it the invoice took; the rest is sent back."""
    refunded_minor: Mapped[int] = mapped_column(server_default="0")
    """What was sent back, or is going to be."""
    tries: Mapped[int] = mapped_column(server_default="0")
    """How often the gateway was asked."""
    fencing: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    """When the gateway was asked first: it keeps keys for a day."""
    finished_at: Mapped[datetime | None]


class Refund(Base):
    """Money that goes back. Its id is what the gateway knows it by. Units: minor units of `currency`."""

    __tablename__ = "refunds"
    __table_args__ = (
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_account_id", "account_id", "created_at"),
        Index("ix_refunds_due", "next_at", postgresql_where=text("next_at is not null")),
        Index("ix_refunds_leased", "lease_until", postgresql_where=text("lease_until is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    minor: Mapped[int]
    currency: Mapped[str]
    reason: Mapped[str]
    lines: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Id and net amount of each line that it is for; none: all lines give their part."""
    state: Mapped[str]
    gateway_reference: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    fencing: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class GatewayEvent(Base):
    """A webhook of a gateway, known by its id once for ever."""

    __tablename__ = "gateway_events"

    gateway: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    reference: Mapped[str]
    received_at: Mapped[datetime]
