"""From where each fact came, and a chain of digests over all facts."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_REFUSE = """
create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$
"""

_QUEUE = """
create function audit_queue() returns trigger language plpgsql as $$
begin
    insert into audit_unsealed (event_id) select id from recorded;
    return null;
end $$
"""


def upgrade() -> None:
    """Columns of `events`, two tables, and the triggers that keep them. What was recorded so far is sealed first."""
    op.add_column("events", sa.Column("authorization_id", sa.UUID(), nullable=True))
    op.add_column("events", sa.Column("client_id", sa.UUID(), nullable=True))
    op.add_column("events", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("request_id", sa.UUID(), nullable=True))
    op.create_index("ix_events_actor_id", "events", ["actor_id", "id"])
    op.create_table(
        "audit_unsealed",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_audit_unsealed")),
    )
    op.create_table(
        "audit_links",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_links")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_links_event_id")),
    )
    op.execute("insert into audit_unsealed (event_id) select id from events")
    _keep()


def _keep() -> None:
    op.execute(_REFUSE)
    op.execute(_QUEUE)
    for table in ("events", "audit_links"):
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table}"
            " for each row execute function audit_refuse_change()"
        )
    op.execute(
        "create trigger events_audited after insert on events referencing new table as recorded"
        " for each statement execute function audit_queue()"
    )
