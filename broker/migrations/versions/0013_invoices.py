"""Invoices with their lines, credit notes, credits, and the ledger."""

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
