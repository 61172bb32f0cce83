"""Delinquent accounts, the dates of what they are reminded of, and add-ons that are suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three tables; where accounts and add-ons stand; what a suspended add-on costs."""
    for column in ("delinquent_at", "suspended_at", "suspends_at", "deletes_at", "deleting_at"):
        op.add_column("billing_accounts", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_billing_accounts_suspended",
        "billing_accounts",
        ["id"],
        postgresql_where=sa.text("suspended_at is not null"),
    )
    op.add_column("addons", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("addons", sa.Column("suspended_for", sa.Text(), nullable=True))
    op.create_index("ix_addons_suspended", "addons", ["id"], postgresql_where=sa.text("suspended_at is not null"))
    op.add_column("plans", sa.Column("suspended_cents", sa.BigInteger(), server_default="0", nullable=False))
    _create_dunnings()
    _create_steps()
    _create_disputes()


def _create_dunnings() -> None:
    op.create_table(
        "dunnings",
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("past_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_dunnings_account_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_dunnings_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_dunnings")),
    )
    op.create_index("ix_dunnings_account_id", "dunnings", ["account_id"])
    op.create_index(
        "ix_dunnings_exhausted", "dunnings", ["account_id"], postgresql_where=sa.text("state = 'exhausted'")
    )
    op.create_index("ix_dunnings_due", "dunnings", ["next_at"], postgresql_where=sa.text("ended_at is null"))


def _create_steps() -> None:
    op.create_table(
        "dunning_steps",
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["dunnings.invoice_id"], name=op.f("fk_dunning_steps_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", "step", name=op.f("pk_dunning_steps")),
    )


def _create_disputes() -> None:
    op.create_table(
        "invoice_disputes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("line_id", sa.UUID(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_disputes_invoice_id")),
        sa.ForeignKeyConstraint(["line_id"], ["invoice_lines.id"], name=op.f("fk_invoice_disputes_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_disputes")),
    )
    op.create_index(
        "uq_invoice_disputes_open",
        "invoice_disputes",
        ["invoice_id", "line_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
        postgresql_nulls_not_distinct=True,
    )
