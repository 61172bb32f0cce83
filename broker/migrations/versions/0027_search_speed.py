"""Indexes for the marketplace: words in names, words that count for the rank, and the few services that are featured."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three indexes over what is there: no entry has to be made anew."""
    for name, weights in (("heading", "a,b,c"), ("name", "a")):
        said = sa.text(f"ts_filter(document, '{{{weights}}}'::\"char\"[])")
        op.create_index(f"ix_search_entries_{name}", "search_entries", [said], postgresql_using="gin")
    featured = sa.text("featured_at IS NOT NULL")
    op.create_index("ix_addon_services_featured_at", "addon_services", ["featured_at"], postgresql_where=featured)
