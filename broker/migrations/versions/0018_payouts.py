"""Partners' shares and payouts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("share_agreements", "partner_shares", "receipts")


def upgrade() -> None:
    """Add tables. What moves between the platform and a partner concerns no payer: such events of the ledger have none."""
    op.alter_column("ledger_transactions", "account_id", existing_type=sa.UUID(), nullable=True)
    op.create_index("ix_usage_periods_service", "usage_periods", ["service", "started_at"], unique=False)
    op.add_column("credits", sa.Column("funded_by", sa.Text(), server_default="platform", nullable=False))
    _create_share_agreements()
    _create_partner_shares()
    _create_payouts()
    _create_receipts()
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table}"
            " for each row execute function billing_refuse_change()"
        )


def _create_share_agreements() -> None:
    op.create_table(
        "share_agreements",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_agreements")),
    )
    op.create_index("ix_share_agreements_service", "share_agreements", ["service", "starts_at"], unique=False)


def _create_partner_shares() -> None:
    op.create_table(
        "partner_shares",
        sa.Column("transaction_id", sa.UUID(), nullable=False),
        sa.Column("line_id", sa.UUID(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("share_bp", sa.Text(), nullable=False),
        sa.Column("share_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["invoice_lines.id"], name=op.f("fk_partner_shares_line_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_partner_shares_transaction_id")
        ),
        sa.PrimaryKeyConstraint("transaction_id", "line_id", name=op.f("pk_partner_shares")),
    )
    op.create_index("ix_partner_shares_line_id", "partner_shares", ["line_id"], unique=False)
    op.create_index("ix_partner_shares_service", "partner_shares", ["service", "currency", "at"], unique=False)


def _create_payouts() -> None:
    op.create_table(
        "payouts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("earned_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
    )
    op.create_index("ix_payouts_service", "payouts", ["service", "currency", "created_at"], unique=False)
    op.create_index(
        "uq_payouts_day",
        "payouts",
        ["service", "currency", "day"],
        unique=True,
        postgresql_where=sa.text("state <> 'failed'"),
    )


def _create_receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_receipts_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_account_id", "receipts", ["account_id"], unique=False)
