"""Search among listings, what operators feature, and logos."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three tables, and a column for what is featured. Entries are made by the worker, as for every manifest."""
    op.add_column("addon_services", sa.Column("featured_at", sa.DateTime(timezone=True), nullable=True))
    _create_entries()
    op.create_table(
        "search_trigrams",
        sa.Column("trigram", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trigram", "word", name=op.f("pk_search_trigrams")),
    )
    op.create_table(
        "service_logos",
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["addon_services.id"], name=op.f("fk_service_logos_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_service_logos")),
    )


def _create_entries() -> None:
    op.create_table(
        "search_entries",
        sa.Column("service_id", sa.UUID(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.TSVECTOR(), nullable=False),
        sa.Column("heading", postgresql.TSVECTOR(), nullable=False),
        sa.Column("is_listed", sa.Boolean(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tagline", sa.Text(), nullable=False),
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("features", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("regions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("has_free", sa.Boolean(), nullable=False),
        sa.Column("lowest_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("logo", sa.Text(), nullable=True),
        sa.Column("installs", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["addon_services.id"], name=op.f("fk_search_entries_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_search_entries")),
    )
    op.create_index("ix_search_entries_document", "search_entries", ["document"], postgresql_using="gin")
    # Matching reads the index alone. Ranking reads thousands of headings: they stay in the row, and the documents go out.
    op.execute("alter table search_entries set (toast_tuple_target = 1024)")
    op.execute("alter table search_entries alter column heading set storage main")
