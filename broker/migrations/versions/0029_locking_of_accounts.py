"""Locking of accounts; who answers for a webhook, and since when and why it is stopped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_AT = postgresql.TIMESTAMP(timezone=True)
_MADE_BY = """
update webhooks set made_by = events.actor_id from events
where events.kind = 'webhook.added' and events.app_id = webhooks.app_id and events.data->>'webhook' = webhooks.id::text
"""
_STOPPED = """
update webhooks set stopped_at = now(), stopped_for = 'access_lost', due_at = null, waiting_since = null from apps
where apps.id = webhooks.app_id and webhooks.ended_at is null and webhooks.made_by <> apps.owner_id
and not exists (select from collaborators c where c.app_id = apps.id and c.user_id = webhooks.made_by)
and not exists (select from team_members m where m.team_id = apps.owner_id and m.user_id = webhooks.made_by
and m.role in ('owner', 'admin', 'member'))
"""


def upgrade() -> None:
    """Nullable columns. Who has added the webhooks of apps stands in the facts; those of ex-members are told nothing more."""
    op.add_column("users", sa.Column("locked_at", _AT))
    op.add_column("users", sa.Column("locked_reason", sa.Text))
    op.add_column("users", sa.Column("locked_by", sa.Text))
    op.add_column("webhooks", sa.Column("made_by", sa.Uuid))
    op.add_column("webhooks", sa.Column("stopped_at", _AT))
    op.add_column("webhooks", sa.Column("stopped_for", sa.Text))
    op.execute(_MADE_BY)
    op.execute(_STOPPED)
    op.create_index("ix_webhooks_made_by", "webhooks", ["made_by"])
