"""Indexes for the marketplace: the most popular first, and what there is of each category."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two indexes over what is listed, so that the first page reads no entry that it does not show."""
    listed = sa.text("is_listed IS TRUE")
    popular: list[str | sa.TextClause] = [sa.text("installs DESC"), "slug"]
    op.create_index("ix_search_entries_popular", "search_entries", popular, postgresql_where=listed)
    op.create_index("ix_search_entries_categories", "search_entries", ["categories"], postgresql_where=listed)
