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
from broker.billing.focus import FOCUS_COLUMNS, correction_rows, focus_rows
from broker.billing.ledger import LedgerAccount
from broker.billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, LedgerEntry, LedgerTransaction
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
class _Part:
    """What is read in one order, and which rows each entry becomes."""

    statement: Callable[[Month, UUID | None], Select[Any]]
    keys: tuple[Any, ...]
    rows: Callable[[Any, Month], Sequence[Row]]


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[str]
    parts: Sequence[_Part]


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
    for part in table.parts:
        after: tuple[Any, ...] | None = None
        page: Sequence[Any] = ()
        while after is None or len(page) == _AT_ONCE:
            async with ctx.database.transaction() as tx:
                page = await _page(tx, part.statement(month, account), part.keys, after)
            for entry in page:
                for row in part.rows(entry, month):
                    yield [row[column] for column in table.columns]
            after = tuple(page[-1][: len(part.keys)]) if page else ()


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


def _taken_back(month: Month, account: UUID | None) -> Select[Any]:
    """What credit notes of the month take back, with the line and the bill that it was on."""
    of_invoice = "account_id email currency starts_at ends_at".split()
    of_line = "addon_id addon app_id app service plan tags".split()
    statement = (
        select(
            *_NOTE_KEYS,
            CreditNote.number.label("note"),
            CreditNote.reason,
            CreditNoteLine.net_minor.label("note_net_minor"),
            CreditNoteLine.tax_minor.label("note_tax_minor"),
            Invoice.number.label("invoice"),
            *(getattr(Invoice, name) for name in of_invoice),
            *(getattr(InvoiceLine, name) for name in of_line),
        )
        .join(CreditNote, CreditNote.id == CreditNoteLine.credit_note_id)
        .join(InvoiceLine, InvoiceLine.id == CreditNoteLine.line_id)
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .where(CreditNote.created_at >= month.start, CreditNote.created_at < month.end)
    )
    return statement if account is None else statement.where(Invoice.account_id == account)


def _line_row(line: Any, _month: Month) -> Sequence[Row]:
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


def _entry_row(entry: Any, _month: Month) -> Sequence[Row]:
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
_NOTE_KEYS: Final = (CreditNoteLine.credit_note_id, CreditNoteLine.line_id)
_OWN_COLUMNS: Final = (
    "invoice line month account app addon plan mode meter seconds quantity currency amount discount promotion tax explanation"
).split()
_LEDGER_COLUMNS: Final = "at transaction key kind payer ledger_account service currency amount".split()
_TABLES: Final = {
    Format.FOCUS: _Table(
        FOCUS_COLUMNS,
        (
            _Part(_lines, _LINE_KEYS, lambda line, _: focus_rows(line)),
            _Part(_taken_back, _NOTE_KEYS, correction_rows),
        ),
    ),
    Format.CSV: _Table(_OWN_COLUMNS, (_Part(_lines, _LINE_KEYS, _line_row),)),
    Format.LEDGER: _Table(_LEDGER_COLUMNS, (_Part(_entries, _ENTRY_KEYS, _entry_row),)),
}
