"""Tables of the partners' share: what was agreed, and what of each line was collected and is theirs. Append-only."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class ShareAgreement(Base):
    """The partner's share of a service from an instant on. Of several for the same instant, the last made counts."""

    __tablename__ = "share_agreements"
    __table_args__ = (Index("ix_share_agreements_service", "service", "starts_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str]
    share_bp: Mapped[int]
    """Units: hundredths of a percent."""
    starts_at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]


class PartnerShare(Base):
    """What an event of the ledger did to what is collected of a line, and to the partner's share. Units: minor units.

    Negative where money or a claim was taken back. The sums over a line are what `shares.share_of` says of it.
    """

    __tablename__ = "partner_shares"
    __table_args__ = (
        Index("ix_partner_shares_line_id", "line_id"),
        Index("ix_partner_shares_service", "service", "currency", "at"),
    )

    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transactions.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_lines.id"), primary_key=True)
    service: Mapped[str]
    currency: Mapped[str]
    at: Mapped[datetime]
    minor: Mapped[int]
    """With tax."""
    tax_minor: Mapped[int]
    base_minor: Mapped[int]
    """Before tax, with the promotional credits that the platform gave: what is shared."""
    share_bp: Mapped[str]
    """Exact: a whole number, or a fraction if the agreement changed within the line."""
    share_minor: Mapped[int]
