"""Indexes of what is in the names of services, and of what counts for their rank: search ranks a bounded number of them."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two indexes over what is there: no entry has to be made anew."""
    for name, weights in (("heading", "a,b,c"), ("name", "a")):
        said = sa.text(f"ts_filter(document, '{{{weights}}}'::\"char\"[])")
        op.create_index(f"ix_search_entries_{name}", "search_entries", [said], postgresql_using="gin")
