"""Orders for canaries, their runs, and the reliability that follows from them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables, and a figure beside each service."""
    op.add_column("addon_services", sa.Column("reliability", postgresql.JSONB(), nullable=True))
    _create_service_canaries()
    _create_canary_runs()


def _create_service_canaries() -> None:
    op.create_table(
        "service_canaries",
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("every_s", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resource_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_service_canaries_service_id")),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_service_canaries")),
    )
    op.create_index("ix_service_canaries_next_at", "service_canaries", ["next_at"])


def _create_canary_runs() -> None:
    op.create_table(
        "canary_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("checks", postgresql.JSONB(), nullable=False),
        sa.Column("provision_ms", sa.BigInteger(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_canary_runs_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary_runs")),
    )
    op.create_index("ix_canary_runs_service_id", "canary_runs", ["service_id", "at"])
