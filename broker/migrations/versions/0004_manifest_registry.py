"""Versions of manifests, who may push them, overlapping secrets, entitlements and the life of a listing."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
