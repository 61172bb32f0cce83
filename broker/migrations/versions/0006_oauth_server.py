"""OAuth clients, codes, refresh tokens and consents of third parties; sessions of browsers."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
