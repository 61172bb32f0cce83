"""Sign-up, second factors, notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """What people are told, how they prove who they are, and what of a session they are shown."""
    _create_notices()
    _create_mail_tokens()
    _create_second_factors()
    _create_brakes()
    _create_cli_logins()
    op.add_column("users", sa.Column("asks_for_codes", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("sessions", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("last_seen_at", _AT, nullable=True))
    op.add_column("sessions", sa.Column("proved_at", _AT, nullable=True))


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("secrets_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_at", _AT, nullable=True),
        sa.Column("lease_until", _AT, nullable=True),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("finished_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
    )
    op.create_index("ix_notices_user_id_created_at", "notices", ["user_id", "created_at"])
    op.create_index("ix_notices_due_at", "notices", ["due_at"])
    op.create_index("ix_notices_created_at", "notices", ["created_at"])


def _create_mail_tokens() -> None:
    op.create_table(
        "mail_tokens",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("used_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_mail_tokens_token_hash")),
    )
    op.create_index("ix_mail_tokens_user_id", "mail_tokens", ["user_id"])
    op.create_index("ix_mail_tokens_expires_at", "mail_tokens", ["expires_at"])


def _create_second_factors() -> None:
    op.create_table(
        "authenticators",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("confirmed_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_authenticators_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authenticators")),
        sa.UniqueConstraint("user_id", name=op.f("uq_authenticators_user_id")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_codes_user_id_code_hash")),
    )
    op.create_table(
        "pre_authorizations",
        sa.Column("authorization_id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["authorizations.id"], name=op.f("fk_pre_authorizations_authorization_id")
        ),
        sa.PrimaryKeyConstraint("authorization_id", "app_id", name=op.f("pk_pre_authorizations")),
    )


def _create_brakes() -> None:
    op.create_table(
        "brakes",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_brakes")),
    )
    op.create_index("ix_brakes_ends_at", "brakes", ["ends_at"])


def _create_cli_logins() -> None:
    op.create_table(
        "cli_logins",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("page_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("session_id", sa.UUID(), nullable=True),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_cli_logins_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cli_logins")),
        sa.UniqueConstraint("page_hash", name=op.f("uq_cli_logins_page_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_cli_logins_token_hash")),
    )
    op.create_index("ix_cli_logins_expires_at", "cli_logins", ["expires_at"])
