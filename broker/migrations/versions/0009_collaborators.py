"""People who share an app with its owner; the id that a repeatable request gives to what it makes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add one table, one nullable column, and an index for finding add-ons that are gone by name, too."""
    op.create_table(
        "collaborators",
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_collaborators_app_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_collaborators_user_id")),
        sa.PrimaryKeyConstraint("app_id", "user_id", name=op.f("pk_collaborators")),
    )
    op.create_index("ix_collaborators_user_id", "collaborators", ["user_id"])
    op.create_index("ix_addons_name", "addons", ["name"])
    op.add_column("idempotency_keys", sa.Column("reserved_id", sa.UUID(), nullable=True))
