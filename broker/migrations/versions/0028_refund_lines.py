"""Which lines of an invoice a refund is for, where somebody said it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One nullable column."""
    op.add_column("refunds", sa.Column("lines", postgresql.JSONB))
