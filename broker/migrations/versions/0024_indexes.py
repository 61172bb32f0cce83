"""Indexes for what is asked of tables that grow without end: the newest payments, the credits of an invoice, the last reading."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three indexes."""
    op.create_index("ix_payments_created_at", "payments", [sa.text("created_at desc"), sa.text("attempt desc")])
    op.create_index("ix_credit_uses_invoice_id", "credit_uses", ["invoice_id"])
    op.create_index("ix_usage_events_meter", "usage_events", ["addon_id", "meter", sa.text("at desc")])
