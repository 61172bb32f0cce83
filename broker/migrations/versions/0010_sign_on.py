"""How a service wants its users signed on, where in its dashboard links may lead, and the OAuth client of such a service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with defaults and nullable ones; what the release before writes stays valid."""
    none = sa.text("'{}'")
    op.add_column("addon_services", sa.Column("sso", sa.Text(), server_default="form", nullable=False))
    op.add_column("addon_services", sa.Column("sso_paths", sa.ARRAY(sa.Text()), server_default=none, nullable=False))
    op.add_column(
        "addon_services", sa.Column("sso_redirect_uris", sa.ARRAY(sa.Text()), server_default=none, nullable=False)
    )
    op.add_column("oauth_clients", sa.Column("service_id", sa.UUID(), nullable=True))
    op.create_unique_constraint(op.f("uq_oauth_clients_service_id"), "oauth_clients", ["service_id"])
    op.add_column("oauth_codes", sa.Column("claims", postgresql.JSONB(), nullable=True))
