"""Payment methods, payments, refunds, and what the gateway told."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables, and what of an account concerns its payments."""
    op.add_column("billing_accounts", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("billing_accounts", sa.Column("gateway_customer", sa.Text(), nullable=True))
    op.create_index(
        "ix_invoices_unpaid", "invoices", ["id"], postgresql_where=sa.text("state in ('issued', 'past_due')")
    )
    _create_payment_methods()
    _create_payment_setups()
    _create_payments()
    _create_refunds()
    _create_gateway_events()


def _create_payment_methods() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("exp_month", sa.BigInteger(), nullable=False),
        sa.Column("exp_year", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_payment_methods_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
        sa.UniqueConstraint("gateway", "reference", name=op.f("uq_payment_methods_gateway_reference")),
    )
    op.create_index("ix_payment_methods_account_id", "payment_methods", ["account_id", "created_at"], unique=False)
    op.create_index(
        "ix_payment_methods_unforgotten",
        "payment_methods",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'removed' and forgotten_at is null"),
    )
    op.create_index(
        "uq_payment_methods_default",
        "payment_methods",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("is_default and state = 'active'"),
    )


def _create_payment_setups() -> None:
    op.create_table(
        "payment_setups",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("method_id", sa.UUID(), nullable=True),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_payment_setups_account_id")),
        sa.ForeignKeyConstraint(["method_id"], ["payment_methods.id"], name=op.f("fk_payment_setups_method_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_setups")),
    )
    op.create_index("ix_payment_setups_account_id", "payment_setups", ["account_id"], unique=False)
    op.create_index(
        "ix_payment_setups_due",
        "payment_setups",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state in ('pending', 'open')"),
    )
    op.create_index("ix_payment_setups_reference", "payment_setups", ["reference"], unique=False)


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("method_id", sa.UUID(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("collected_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fencing", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_payments_account_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_payments_invoice_id")),
        sa.ForeignKeyConstraint(["method_id"], ["payment_methods.id"], name=op.f("fk_payments_method_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("invoice_id", "attempt", name=op.f("uq_payments_invoice_id_attempt")),
    )
    op.create_index("ix_payments_account_id", "payments", ["account_id", "created_at"], unique=False)
    op.create_index(
        "ix_payments_due", "payments", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null")
    )
    op.create_index("ix_payments_gateway_reference", "payments", ["gateway_reference"], unique=False)
    op.create_index(
        "ix_payments_leased",
        "payments",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until is not null"),
    )
    op.create_index(
        "uq_payments_unfinished",
        "payments",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("finished_at is null"),
    )


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("invoice_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.UUID(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fencing", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name=op.f("fk_refunds_account_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_refunds_invoice_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_account_id", "refunds", ["account_id", "created_at"], unique=False)
    op.create_index(
        "ix_refunds_due", "refunds", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null")
    )
    op.create_index(
        "ix_refunds_leased",
        "refunds",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until is not null"),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"], unique=False)


def _create_gateway_events() -> None:
    op.create_table(
        "gateway_events",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "id", name=op.f("pk_gateway_events")),
    )
