"""Teams: accounts that several people own, with their members and the invitations into them."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """A team is a user with a `team_name`; two tables say who belongs to it, and who was asked to."""
    op.add_column("users", sa.Column("team_name", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("team_ended_at", _AT, nullable=True))
    op.create_index(
        "uq_users_team_name", "users", ["team_name"], unique=True, postgresql_where=sa.text("team_ended_at is null")
    )
    _create_members()
    _create_invitations()


def _create_members() -> None:
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_by", sa.UUID(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("updated_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["users.id"], name=op.f("fk_team_members_team_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_members_user_id")),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_members")),
    )
    op.create_index("ix_team_members_user_id", "team_members", ["user_id"])


def _create_invitations() -> None:
    op.create_table(
        "team_invitations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("invited_by", sa.UUID(), nullable=False),
        sa.Column("invited_by_email", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("updated_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["users.id"], name=op.f("fk_team_invitations_team_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_invitations_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_team_invitations_token_hash")),
    )
    op.create_index("ix_team_invitations_team_id", "team_invitations", ["team_id", "created_at"])
    op.create_index("ix_team_invitations_email", "team_invitations", [sa.text("lower(email)")])
    op.create_index(
        "uq_team_invitations_pending",
        "team_invitations",
        ["team_id", sa.text("lower(email)")],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
