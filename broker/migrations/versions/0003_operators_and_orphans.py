"""Operators; what the broker did not make itself; the working of the orphan ledger; runs of reconcile."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with defaults and one table; what the release before writes stays valid."""
    op.add_column("users", sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("addons", sa.Column("ownership", sa.Text(), server_default="created", nullable=False))
    op.add_column("orphans", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("orphans", sa.Column("last_answer", sa.Text(), nullable=True))
    op.add_column("orphans", sa.Column("history", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.create_index("ix_orphans_due", "orphans", ["next_at"], postgresql_where=sa.text("state = 'open'"))
    _create_reconcile_runs()


def _create_reconcile_runs() -> None:
    op.create_table(
        "reconcile_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=True),
        sa.Column("fix", sa.Boolean(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_reconcile_runs_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconcile_runs")),
    )
    op.create_index("ix_reconcile_runs_created_at", "reconcile_runs", ["created_at"])
    unfinished = sa.text("finished_at is null")
    op.create_index("ix_reconcile_runs_unfinished", "reconcile_runs", ["lease_until"], postgresql_where=unfinished)
