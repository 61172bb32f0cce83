"""Health of providers: circuit, faults and call rate per service."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; a service without a row is healthy."""
    op.create_table(
        "provider_health",
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("circuit", sa.Text(), nullable=False),
        sa.Column("faults", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_slot", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crowded_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_fault_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_provider_health_service_id")),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_provider_health")),
    )
