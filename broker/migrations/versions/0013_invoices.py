"""Invoices with their lines, credit notes, credits, and the ledger.

What must never change is refused by the database itself, whoever asks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    "invoice_lines",
    "credit_notes",
    "credit_note_lines",
    "credits",
    "credit_uses",
    "ledger_transactions",
    "ledger_entries",
)

_REFUSE = """
create function billing_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: corrections are rows of their own', tg_table_name using errcode = 'restrict_violation';
end $$
"""

_KEEP_INVOICES = """
create function billing_keep_invoice() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and (old.state = 'draft'
        or to_jsonb(old) - array['state', 'issued_at', 'updated_at'] = to_jsonb(new) - array['state', 'issued_at', 'updated_at'])
    then
        return new;
    end if;
    raise exception 'invoice % is finalized: corrections are credit notes', old.id using errcode = 'restrict_violation';
end $$
"""

_BALANCED = """
create function billing_balanced() returns trigger language plpgsql as $$
declare
    transaction uuid;
    found record;
begin
    if tg_table_name = 'ledger_entries' then transaction := new.transaction_id; else transaction := new.id; end if;
    select count(*) as entries, coalesce(sum(minor), 0) as minor into found
        from ledger_entries where transaction_id = transaction;
    if found.entries < 2 or found.minor <> 0 then
        raise exception 'ledger transaction % does not balance: % entries sum to %', transaction, found.entries, found.minor
            using errcode = 'check_violation';
    end if;
    return null;
end $$
"""


def upgrade() -> None:
    """Add tables, and the triggers that keep them."""
    _create_invoices()
    _create_invoice_lines()
    _create_invoice_counters()
    _create_month_closes()
    _create_credit_notes()
    _create_credit_note_lines()
    _create_credits()
    _create_credit_uses()
    _create_ledger_transactions()
    _create_ledger_entries()
    _create_billing_checks()
    _keep()


def _keep() -> None:
    for function in (_REFUSE, _KEEP_INVOICES, _BALANCED):
        op.execute(function)
    for table in _APPEND_ONLY:
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table}"
            " for each row execute function billing_refuse_change()"
        )
    op.execute(
        "create trigger invoices_kept before update or delete on invoices"
        " for each row execute function billing_keep_invoice()"
    )
    for table in ("ledger_transactions", "ledger_entries"):
        op.execute(
            f"create constraint trigger {table}_balanced after insert on {table}"
            " deferrable initially deferred for each row execute function billing_balanced()"
        )


def _create_invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("zone_data", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("prepaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("carried_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finalized_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_invoices_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("account_id", "currency", "month", name=op.f("uq_invoices_account_id_currency_month")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
    )
    op.create_index("ix_invoices_month", "invoices", ["month", "account_id"], unique=False)
    op.create_index(
        "ix_invoices_unissued", "invoices", ["id"], unique=False, postgresql_where=sa.text("state = 'finalized'")
    )


def _create_invoice_lines() -> None:
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("addon_id", sa.UUID(), nullable=False),
        sa.Column("app_id", sa.UUID(), nullable=False),
        sa.Column("addon", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("price_id", sa.UUID(), nullable=False),
        sa.Column("price", postgresql.JSONB(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=True),
        sa.Column("spans", postgresql.JSONB(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("topped_up_s", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("promo_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("share_bp", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_lines_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("invoice_id", "number", name=op.f("uq_invoice_lines_invoice_id_number")),
    )
    op.create_index("ix_invoice_lines_addon_id", "invoice_lines", ["addon_id"], unique=False)


def _create_invoice_counters() -> None:
    op.create_table(
        "invoice_counters",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_invoice_counters")),
    )


def _create_month_closes() -> None:
    op.create_table(
        "month_closes",
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("after", sa.UUID(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("zone", "month", name=op.f("pk_month_closes")),
    )


def _create_credit_notes() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_credit_notes_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_notes_number")),
    )
    op.create_index("ix_credit_notes_invoice_id", "credit_notes", ["invoice_id"], unique=False)


def _create_credit_note_lines() -> None:
    op.create_table(
        "credit_note_lines",
        sa.Column("credit_note_id", sa.UUID(), nullable=False),
        sa.Column("line_id", sa.UUID(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_notes.id"], name=op.f("fk_credit_note_lines_credit_note_id")
        ),
        sa.ForeignKeyConstraint(["line_id"], ["invoice_lines.id"], name=op.f("fk_credit_note_lines_line_id")),
        sa.PrimaryKeyConstraint("credit_note_id", "line_id", name=op.f("pk_credit_note_lines")),
    )


def _create_credits() -> None:
    op.create_table(
        "credits",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_credits_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credits")),
    )
    op.create_index("ix_credits_account_id", "credits", ["account_id"], unique=False)


def _create_credit_uses() -> None:
    op.create_table(
        "credit_uses",
        sa.Column("credit_id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["credit_id"], ["credits.id"], name=op.f("fk_credit_uses_credit_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_credit_uses_invoice_id")),
        sa.PrimaryKeyConstraint("credit_id", "invoice_id", name=op.f("pk_credit_uses")),
    )


def _create_ledger_transactions() -> None:
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_ledger_transactions_account_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_ledger_transactions_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_transactions_key")),
    )
    op.create_index("ix_ledger_transactions_account_id", "ledger_transactions", ["account_id", "at"], unique=False)
    op.create_index("ix_ledger_transactions_invoice_id", "ledger_transactions", ["invoice_id"], unique=False)


def _create_ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("transaction_id", sa.UUID(), nullable=False),
        sa.Column("ledger_account", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), server_default="", nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_entries_transaction_id")
        ),
        sa.PrimaryKeyConstraint("transaction_id", "ledger_account", "service", name=op.f("pk_ledger_entries")),
    )


def _create_billing_checks() -> None:
    op.create_table(
        "billing_checks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("after", sa.UUID(), nullable=True),
        sa.Column("checked", sa.BigInteger(), nullable=False),
        sa.Column("differences", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_checks")),
    )
