"""What providers report of metered usage, once each for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table. Its key is what makes a report count once, however often it is sent."""
    op.create_table(
        "usage_events",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("voids", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_usage_events")),
    )
    op.create_index("ix_usage_events_addon_id", "usage_events", ["addon_id", "at"])
    op.create_index(
        "ix_usage_events_voids", "usage_events", ["addon_id"], postgresql_where=sa.text("voids is not null")
    )
