"""Tables of facts, and of telling them to webhooks: what is to be told, what was told, and how that went."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class Level(StrEnum):
    """How much a webhook minds a failure: `notify` tries once, `sync` for 72 hours, and in order."""

    NOTIFY = "notify"
    SYNC = "sync"


class StopReason(StrEnum):
    """Why a webhook is told nothing: whoever answers for it may not work on the app any more, or is locked out of the account."""

    ACCESS_LOST = "access_lost"
    ACCOUNT_LOCKED = "account_locked"


class DeliveryStatus(StrEnum):
    """Where a delivery is; the words are the Platform API's.

    `pending`: its turn has not come; `scheduled`: an attempt is under way; `retrying`: it failed and is tried again;
    `skipped`: given up after a single try, because the receiver had been failing for too long by then.
    """

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RETRYING = "retrying"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"


class Event(Base):
    """One fact, recorded in the transaction that made it true. Append-only, by triggers; never holds a secret."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_actor_id", "actor_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    app_id: Mapped[UUID | None] = mapped_column(index=True)
    addon_id: Mapped[UUID | None] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
    authorization_id: Mapped[UUID | None]
    """The token that it was asked for with."""
    client_id: Mapped[UUID | None]
    """The OAuth client that held it."""
    address: Mapped[str | None]
    """From where it was asked for."""
    request_id: Mapped[UUID | None]


class Unsealed(Base):
    """A fact that is not in the audit chain yet: written by a trigger with the fact itself."""

    __tablename__ = "audit_unsealed"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)


class AuditLink(Base):
    """One link of the audit chain: its digest covers the fact and the link before. Append-only, by a trigger."""

    __tablename__ = "audit_links"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1, without gaps."""
    event_id: Mapped[UUID] = mapped_column(unique=True)
    digest: Mapped[bytes]


class Webhook(Base):
    """Who wants to be told what, of an app or of an add-on. The row is also the lock and the claim of its deliveries."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index("ix_webhooks_leased", "host", postgresql_where=text("lease_until is not null")),
        Index("ix_webhooks_waiting", "host", postgresql_where=text("waiting_since is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    app_id: Mapped[UUID | None] = mapped_column(index=True)
    addon_id: Mapped[UUID | None] = mapped_column(index=True)
    """Exactly one of the two is given."""
    include: Mapped[list[str]] = mapped_column(ARRAY(Text))
    level: Mapped[str]
    url: Mapped[str]
    host: Mapped[str]
    """Host and port of the URL: what a receiver shares with others is not called too often at once."""
    data_key: Mapped[bytes] = mapped_column(info={"wrapped_key": True})
    secret_sealed: Mapped[bytes]
    authorization_sealed: Mapped[bytes | None]
    sequence: Mapped[int] = mapped_column(server_default="0")
    """Number of the newest event."""
    fencing: Mapped[int] = mapped_column(server_default="0")
    """Counted up by each claim; whoever holds an old number has lost."""
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When its first unfinished delivery is to be tried; null when there is none."""
    lease_until: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    """Since when it waits for one of the places of its host."""
    failing_since: Mapped[datetime | None]
    """The first failure since the last success."""
    ended_at: Mapped[datetime | None]
    """When what it belongs to was destroyed: the last thing that it is told."""
    made_by: Mapped[UUID | None] = mapped_column(index=True)
    """Who answers for it: whoever added it, or has started it again. Providers answer for those of add-ons; null."""
    stopped_at: Mapped[datetime | None]
    """Since when it is told nothing, until somebody starts it again."""
    stopped_for: Mapped[str | None]
    """Why: a `StopReason`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookOutbox(Base):
    """An event that a webhook is still to be told: written with the event, taken in by the worker.

    No foreign keys: whoever records a fact must neither wait for a webhook nor fail because one is removed meanwhile.
    """

    __tablename__ = "webhook_outbox"

    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)


class WebhookEvent(Base):
    """What one webhook is told: the payload as it was when it was taken in, numbered per webhook without gaps."""

    __tablename__ = "webhook_events"
    __table_args__ = (UniqueConstraint("webhook_id", "sequence"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id"))
    sequence: Mapped[int]
    include: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookDelivery(Base):
    """How the telling of one event goes."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id"),
        UniqueConstraint("webhook_id", "sequence"),
        Index(
            "ix_webhook_deliveries_unfinished", "webhook_id", "sequence", postgresql_where=text("finished_at is null")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_events.id"))
    sequence: Mapped[int]
    status: Mapped[str]
    num_attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    last_attempt: Mapped[dict[str, Any] | None]
    deadline_at: Mapped[datetime]
    """After it, a failed attempt is the last one."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
