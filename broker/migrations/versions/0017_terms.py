"""Payers, transfers, trials, scheduled plan changes, tags."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Who pays for an app and who is to have it; how long a plan is tried; what is to change; how costs are sorted."""
    op.add_column("apps", sa.Column("payer_id", sa.UUID(), nullable=True))
    op.create_foreign_key(op.f("fk_apps_payer_id"), "apps", "users", ["payer_id"], ["id"])
    op.create_index("ix_apps_payer_id", "apps", ["payer_id"], postgresql_where=sa.text("payer_id is not null"))
    op.add_column("plans", sa.Column("trial_days", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column(
        "invoice_lines",
        sa.Column("tags", postgresql.JSONB(), nullable=False, server_default="{}"),
    )
    _create_payer_offers()
    _create_transfers()
    _create_trials()
    _create_scheduled_changes()
    _create_tags()


def _create_payer_offers() -> None:
    op.create_table(
        "payer_offers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("offered_by", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("accepted_at", _INSTANT, nullable=True),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_payer_offers_app_id")),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_payer_offers_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payer_offers")),
    )
    op.create_index("ix_payer_offers_account_id", "payer_offers", ["account_id", "created_at"])
    for state in ("pending", "accepted"):
        op.create_index(
            f"uq_payer_offers_{state}",
            "payer_offers",
            ["app_id"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )


def _create_transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=True),
        sa.Column("to_app_id", sa.UUID(), nullable=True),
        sa.Column("sender_id", sa.UUID(), nullable=False),
        sa.Column("recipient_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_transfers_app_id")),
        sa.ForeignKeyConstraint(["to_app_id"], ["apps.id"], name=op.f("fk_transfers_to_app_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_transfers_sender_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["users.id"], name=op.f("fk_transfers_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("ix_transfers_sender_id", "transfers", ["sender_id", "created_at"])
    op.create_index("ix_transfers_recipient_id", "transfers", ["recipient_id", "created_at"])
    op.create_index(
        "uq_transfers_pending",
        "transfers",
        ["app_id", "addon_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
        postgresql_nulls_not_distinct=True,
    )


def _create_trials() -> None:
    op.create_table(
        "trials",
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=True),
        sa.Column("started_at", _INSTANT, nullable=True),
        sa.Column("ends_at", _INSTANT, nullable=True),
        sa.Column("accepted_at", _INSTANT, nullable=True),
        sa.Column("told_at", _INSTANT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_trials_account_id")),
        sa.ForeignKeyConstraint(["service_id"], ["addon_services.id"], name=op.f("fk_trials_service_id")),
        sa.PrimaryKeyConstraint("account_id", "service_id", name=op.f("pk_trials")),
    )
    op.create_index(
        "uq_trials_addon_id", "trials", ["addon_id"], unique=True, postgresql_where=sa.text("addon_id is not null")
    )
    op.create_index("ix_trials_ends_at", "trials", ["ends_at"], postgresql_where=sa.text("addon_id is not null"))


def _create_scheduled_changes() -> None:
    op.create_table(
        "scheduled_changes",
        sa.Column("addon_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("effective_at", _INSTANT, nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("authorization_id", sa.UUID(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["addon_id"], ["addons.id"], name=op.f("fk_scheduled_changes_addon_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_scheduled_changes_plan_id")),
        sa.PrimaryKeyConstraint("addon_id", name=op.f("pk_scheduled_changes")),
    )
    op.create_index("ix_scheduled_changes_effective_at", "scheduled_changes", ["effective_at"])


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("scope_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "name", name=op.f("pk_tags")),
    )
