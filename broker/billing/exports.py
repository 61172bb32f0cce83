"""What was billed for a month as tables, row by row: lines in the FOCUS columns or in our own, and the ledger. Reads only.

Amounts are exact decimals of the currency. How a line becomes rows of FOCUS: `focus.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select, tuple_

from broker.billing.accrual import asked_month
from broker.billing.focus import FOCUS_COLUMNS, focus_rows
from broker.billing.ledger import LedgerAccount
from broker.billing.models import Invoice, InvoiceLine, LedgerEntry, LedgerTransaction
from broker.billing.months import Month
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.money import decimal

_AT_ONCE: Final = 1000

Row = Mapping[str, str]


class Format(StrEnum):
    """Which table is wanted."""

    FOCUS = "focus"
    CSV = "csv"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[str]
    statement: Callable[[Month, UUID | None], Select[Any]]
    keys: tuple[Any, ...]
    rows: Callable[[Any], Sequence[Row]]


def own_export(ctx: Context, actor: Actor, format_: Format, month: str) -> AsyncIterator[Sequence[str]]:
    """The rows of the actor's account, the names of the columns first.

    Raises: InvalidParams; Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    return _written(ctx, _TABLES[format_], asked_month(month, "UTC", ctx.clock.now()), actor.id)


def every_export(ctx: Context, actor: Actor, format_: Format, month: str) -> AsyncIterator[Sequence[str]]:
    """The rows of all accounts: operators only.

    Raises: InvalidParams; NotFound for everybody else.
    """
    actor.require_operator()
    return _written(ctx, _TABLES[format_], asked_month(month, "UTC", ctx.clock.now()), None)


async def _written(ctx: Context, table: _Table, month: Month, account: UUID | None) -> AsyncIterator[Sequence[str]]:
    """In pages of a transaction each, so that no export holds one open for long: what is closed does not change."""
    yield table.columns
    after: tuple[Any, ...] | None = None
    while True:
        async with ctx.database.transaction() as tx:
            page = await _page(tx, table.statement(month, account), table.keys, after)
        for entry in page:
            for row in table.rows(entry):
                yield [row[column] for column in table.columns]
        if len(page) < _AT_ONCE:
            return
        after = tuple(page[-1][: len(table.keys)])


async def _page(tx: Tx, statement: Select[Any], keys: Sequence[Any], after: Sequence[Any] | None) -> Sequence[Any]:
    if after is not None:
        statement = statement.where(tuple_(*keys) > tuple_(*after))
    return list((await tx.execute(statement.order_by(*keys).limit(_AT_ONCE))).all())


def _lines(month: Month, account: UUID | None) -> Select[Any]:
    of_invoice = "account_id email currency month starts_at ends_at state terms".split()
    of_line = (
        "addon_id addon app_id app service plan price_id price mode meter seconds quantity minor discount_minor"
        " promo_minor tax_minor share_bp explanation tags"
    ).split()
    statement = (
        select(
            *_LINE_KEYS,
            Invoice.number.label("invoice"),
            *(getattr(Invoice, name) for name in of_invoice),
            *(getattr(InvoiceLine, name) for name in of_line),
        )
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.month == str(month), InvoiceLine.minor != 0)
    )
    return statement if account is None else statement.where(Invoice.account_id == account)


def _line_row(line: Any) -> Sequence[Row]:
    def money(minor: int) -> str:
        return decimal(minor, line.currency)

    row = {
        "invoice": line.invoice or "",
        "line": str(line.number),
        "month": line.month,
        "account": line.email,
        "app": line.app,
        "addon": line.addon,
        "plan": f"{line.service}:{line.plan}",
        "mode": line.mode,
        "meter": line.meter or "",
        "seconds": str(line.seconds),
        "quantity": line.quantity,
        "currency": line.currency.upper(),
        "amount": money(line.minor),
        "discount": money(line.discount_minor),
        "promotion": money(line.promo_minor),
        "tax": money(line.tax_minor),
        "explanation": " ".join(line.explanation),
    }
    return [row]


def _entries(month: Month, account: UUID | None) -> Any:
    transaction = LedgerTransaction
    statement: Any = (
        select(
            *_ENTRY_KEYS,
            transaction.at,
            transaction.key,
            transaction.kind,
            transaction.account_id,
            transaction.currency,
            LedgerEntry.minor,
        )
        .join(transaction, transaction.id == LedgerEntry.transaction_id)
        .where(transaction.at >= month.start, transaction.at < month.end)
    )
    if account is None:
        return statement
    return statement.where(transaction.account_id == account, LedgerEntry.ledger_account.not_in(_NOT_THE_PAYERS))


def _entry_row(entry: Any) -> Sequence[Row]:
    row = {
        "at": rfc3339(entry.at),
        "transaction": str(entry.transaction_id),
        "key": entry.key,
        "kind": entry.kind,
        "payer": str(entry.account_id or ""),
        "ledger_account": entry.ledger_account,
        "service": entry.service,
        "currency": entry.currency.upper(),
        "amount": decimal(entry.minor, entry.currency),
    }
    return [row]


_NOT_THE_PAYERS: Final = (LedgerAccount.SHARES, LedgerAccount.PARTNERS)
"""What the platform agreed with partners is between them. The two cancel out."""
_LINE_KEYS: Final = (InvoiceLine.invoice_id, InvoiceLine.number)
_ENTRY_KEYS: Final = (LedgerEntry.transaction_id, LedgerEntry.ledger_account, LedgerEntry.service)
_TABLES: Final = {
    Format.FOCUS: _Table(FOCUS_COLUMNS, _lines, _LINE_KEYS, focus_rows),
    Format.CSV: _Table(
        "invoice line month account app addon plan mode meter seconds quantity currency amount discount promotion tax"
        " explanation".split(),
        _lines,
        _LINE_KEYS,
        _line_row,
    ),
    Format.LEDGER: _Table(
        "at transaction key kind payer ledger_account service currency amount".split(),
        _entries,
        _ENTRY_KEYS,
        _entry_row,
    ),
}
