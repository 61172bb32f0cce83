"""Rotation of credentials, and credentials of attachments."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; what the release before writes stays valid."""
    _create_rotations()
    _create_rotation_apps()
    _create_addon_credentials()


def _create_rotations() -> None:
    op.create_table(
        "rotations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=False),
        sa.Column("operation_id", sa.UUID(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by_provider", sa.Boolean(), nullable=False),
        sa.Column("overlap_s", sa.BigInteger(), nullable=False),
        sa.Column("revoke_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name=op.f("fk_rotations_addon_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rotations")),
    )
    op.create_index("ix_rotations_addon_id", "rotations", ["addon_id", "created_at"])
    unfinished = sa.text("finished_at is null")
    op.create_index("ix_rotations_due", "rotations", ["next_at"], postgresql_where=unfinished)
    leased = sa.text("lease_until is not null")
    op.create_index("ix_rotations_leased", "rotations", ["lease_until"], postgresql_where=leased)


def _create_rotation_apps() -> None:
    op.create_table(
        "rotation_apps",
        sa.Column("rotation_id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("release_version", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotations.id"], name=op.f("fk_rotation_apps_rotation_id")),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_rotation_apps_app_id")),
        sa.PrimaryKeyConstraint("rotation_id", "app_id", name=op.f("pk_rotation_apps")),
    )
    unacknowledged = sa.text("acknowledged_at is null")
    op.create_index("ix_rotation_apps_app_id", "rotation_apps", ["app_id"], postgresql_where=unacknowledged)


def _create_addon_credentials() -> None:
    op.create_table(
        "addon_credentials",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("while_attached", sa.Boolean(), nullable=False),
        sa.Column("was_attached", sa.Boolean(), nullable=False),
        sa.Column("config_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name=op.f("fk_addon_credentials_addon_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addon_credentials")),
    )
    living = sa.text("state <> 'failed'")
    op.create_index(
        "uq_addon_credentials_name", "addon_credentials", ["addon_id", "name"], unique=True, postgresql_where=living
    )
    due = sa.text("next_at is not null")
    op.create_index("ix_addon_credentials_due", "addon_credentials", ["next_at"], postgresql_where=due)
