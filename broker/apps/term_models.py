"""Tables of what people agree about apps: who pays for one, who is to have it; and of tags, by which costs are sorted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class PayerOffer(Base):
    """That somebody is asked to pay for an app, and what came of it. At most one is pending and one accepted per app."""

    __tablename__ = "payer_offers"
    __table_args__ = (
        Index("ix_payer_offers_account_id", "account_id", "created_at"),
        Index("uq_payer_offers_pending", "app_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("uq_payer_offers_accepted", "app_id", unique=True, postgresql_where=text("state = 'accepted'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    offered_by: Mapped[UUID]
    state: Mapped[str]
    created_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Transfer(Base):
    """That an app, or one add-on of it, is offered to somebody, and what came of it. At most one is pending for each."""

    __tablename__ = "transfers"
    __table_args__ = (
        Index("ix_transfers_sender_id", "sender_id", "created_at"),
        Index("ix_transfers_recipient_id", "recipient_id", "created_at"),
        Index(
            "uq_transfers_pending",
            "app_id",
            "addon_id",
            unique=True,
            postgresql_where=text("state = 'pending'"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"))
    """The app itself, or the one that the add-on is billed to."""
    addon_id: Mapped[UUID | None]
    to_app_id: Mapped[UUID | None] = mapped_column(ForeignKey("apps.id"))
    """Where an add-on went; None until then."""
    sender_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    recipient_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Tag(Base):
    """A name and a value given to an app, or to an account for all apps that it pays for."""

    __tablename__ = "tags"

    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    """The app or the account: ids are of one kind only."""
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    updated_at: Mapped[datetime]
