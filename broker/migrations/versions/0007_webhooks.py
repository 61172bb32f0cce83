"""Webhooks, what is to be told to them, their events and deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Four new tables; what the release before writes stays valid."""
    _create_webhooks()
    _create_outbox()
    _create_events()
    _create_deliveries()


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=True),
        sa.Column("addon_id", sa.UUID(), nullable=True),
        sa.Column("include", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("authorization_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fencing", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("waiting_since", _TIME, nullable=True),
        sa.Column("failing_since", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_app_id", "webhooks", ["app_id"])
    op.create_index("ix_webhooks_addon_id", "webhooks", ["addon_id"])
    op.create_index("ix_webhooks_due_at", "webhooks", ["due_at"])
    op.create_index("ix_webhooks_leased", "webhooks", ["host"], postgresql_where=sa.text("lease_until is not null"))
    op.create_index("ix_webhooks_waiting", "webhooks", ["host"], postgresql_where=sa.text("waiting_since is not null"))


def _create_outbox() -> None:
    op.create_table(
        "webhook_outbox",
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name=op.f("pk_webhook_outbox")),
    )


def _create_events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("include", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_events_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("webhook_id", "sequence", name=op.f("uq_webhook_events_webhook_id_sequence")),
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("num_attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=True),
        sa.Column("last_attempt", postgresql.JSONB(), nullable=True),
        sa.Column("deadline_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["webhook_events.id"], name=op.f("fk_webhook_deliveries_event_id")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("event_id", name=op.f("uq_webhook_deliveries_event_id")),
        sa.UniqueConstraint("webhook_id", "sequence", name=op.f("uq_webhook_deliveries_webhook_id_sequence")),
    )
    unfinished = sa.text("finished_at is null")
    columns = ["webhook_id", "sequence"]
    op.create_index("ix_webhook_deliveries_unfinished", "webhook_deliveries", columns, postgresql_where=unfinished)
    op.create_index("ix_webhook_deliveries_finished_at", "webhook_deliveries", ["finished_at"])
