"""On which terms a usage period is billed, in its own words; the accounts that pay."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and a table; periods that are there get the names of their plans, which until now they only pointed to."""
    op.add_column("usage_periods", sa.Column("service", sa.Text(), server_default="", nullable=False))
    op.add_column("usage_periods", sa.Column("plan", sa.Text(), server_default="", nullable=False))
    op.add_column("usage_periods", sa.Column("mode", sa.Text(), server_default="paid", nullable=False))
    op.add_column("usage_periods", sa.Column("terms", postgresql.JSONB(), server_default="{}", nullable=False))
    op.execute(
        "update usage_periods u set service = s.slug, plan = p.slug"
        " from plans p join addon_services s on s.id = p.service_id where p.id = u.plan_id"
    )
    op.create_index("ix_usage_periods_addon_id", "usage_periods", ["addon_id", "started_at"])
    _create_billing_accounts()


def _create_billing_accounts() -> None:
    op.create_table(
        "billing_accounts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("tax", postgresql.JSONB(), nullable=True),
        sa.Column("discount_bp", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["users.id"], name=op.f("fk_billing_accounts_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_accounts")),
    )
