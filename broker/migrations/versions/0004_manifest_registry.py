"""Versions of manifests, who may push them, overlapping secrets, entitlements and the life of a listing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add nullable columns and tables; what the release before writes stays valid."""
    _add_secrets()
    _add_life_of_listing()
    _create_manifest_versions()
    _create_service_members()
    _create_entitlements()
    _create_service_reviews()


def _add_secrets() -> None:
    op.add_column("addon_services", sa.Column("old_password_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("addon_services", sa.Column("old_sso_salt_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("addon_services", sa.Column("old_secrets_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("addon_services", sa.Column("client_secret_hash", sa.LargeBinary(), nullable=True))
    op.add_column("addon_services", sa.Column("client_secret_old_hash", sa.LargeBinary(), nullable=True))
    op.add_column("addon_services", sa.Column("client_secret_old_until", sa.DateTime(timezone=True), nullable=True))


def _add_life_of_listing() -> None:
    op.add_column("addon_services", sa.Column("sunset_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("addon_services", sa.Column("successor", sa.Text(), nullable=True))
    op.add_column("addon_services", sa.Column("conformance", postgresql.JSONB(), nullable=True))


def _create_manifest_versions() -> None:
    op.create_table(
        "manifest_versions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("contents", postgresql.JSON(), nullable=False),
        sa.Column("secrets_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_manifest_versions_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest_versions")),
        sa.UniqueConstraint("service_id", "revision", name=op.f("uq_manifest_versions_service_id_revision")),
    )


def _create_service_members() -> None:
    op.create_table(
        "service_members",
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_service_members_service_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_service_members_user_id")),
        sa.PrimaryKeyConstraint("service_id", "user_id", name=op.f("pk_service_members")),
    )
    op.create_index("ix_service_members_user_id", "service_members", ["user_id"])


def _create_entitlements() -> None:
    op.create_table(
        "entitlements",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=True),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("granted_by", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_entitlements_service_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_entitlements_plan_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_entitlements_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entitlements")),
    )
    op.create_index(
        "uq_entitlements_holder",
        "entitlements",
        ["user_id", "service_id", "plan_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )


def _create_service_reviews() -> None:
    op.create_table(
        "service_reviews",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("checklist", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.UUID(), nullable=False),
        sa.Column("requested_by_email", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.UUID(), nullable=True),
        sa.Column("decided_by_email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_service_reviews_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_reviews")),
    )
    pending = sa.text("state = 'pending'")
    op.create_index(
        "uq_service_reviews_pending", "service_reviews", ["service_id"], unique=True, postgresql_where=pending
    )
