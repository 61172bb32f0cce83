"""Closing a month: every account's bill, once, after usage for it can no longer arrive. May be interrupted at any place.

A batch of accounts is one transaction, so each of them has its bill or not; whoever comes next goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, any_, cast, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.accounts.models import User
from broker.billing.accrue_shares import Settled, accrue_closed
from broker.billing.bill import Held, Named, facts_of, lines_of
from broker.billing.due_months import Due, accounts_due, next_due, note_progress
from broker.billing.history import History, accounts_of, histories_of
from broker.billing.intake import LATENESS
from broker.billing.ledger import Posting, closing_amounts, closing_key, post
from broker.billing.models import BillingAccount, CreditUsed, Invoice, InvoiceLine, InvoiceState
from broker.billing.numbers import Series, take_numbers
from broker.billing.pricing import Statement
from broker.billing.readings import MeteredLine, use_up
from broker.billing.zone_rules import zone_rules
from broker.kernel.bulk import Bulk
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id

NameThem = Callable[[Tx, Collection[Held], datetime], Awaitable[Mapping[Held, Named]]]
"""Finds what add-ons and apps are called that accounts had by an instant: they are none of billing's tables."""

GRACE: Final = LATENESS + timedelta(minutes=15)
"""From the end of a month to its close: until reports are late, and those that were not have been stored."""
BATCH: Final = 200
_LOCK: Final = "broker.billing.close"
_NOBODY: Final = Named("", UUID(int=0), "")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Closed:
    """What one call of `close_due` did: of which month, for how many accounts, and whether more is due."""

    month: str | None
    accounts: int
    more: bool


@dataclass(frozen=True, slots=True)
class _Bill:
    id: UUID
    history: History
    statement: Statement


async def close_due(
    ctx: Context, name_them: NameThem, *, batch: int = BATCH, grace: timedelta = GRACE, wait: bool = False
) -> Closed:
    """Close the oldest month that is due for up to `batch` accounts. Part of the sweep, and of `billing:close`.

    Transactions: one. Only one process closes at a time; another one leaves at once, or waits its turn if it is to `wait`.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        due = await next_due(tx, now - grace) if await _is_alone(tx, wait=wait) else None
        if due is None:
            return Closed(None, 0, more=False)
        accounts = await accounts_due(tx, due, batch)
        if accounts:
            await _close(tx, due, accounts, name_them, now)
        await note_progress(tx, due, accounts[-1] if accounts else None, now)
        return Closed(str(due.month), len(accounts), more=True)


async def _is_alone(tx: Tx, *, wait: bool) -> bool:
    key = func.hashtextextended(_LOCK, 0)
    if wait:
        await tx.execute(select(func.pg_advisory_xact_lock(key)))
        return True
    return bool((await tx.execute(select(func.pg_try_advisory_xact_lock(key)))).scalar())


async def _close(tx: Tx, due: Due, accounts: Sequence[UUID], name_them: NameThem, now: datetime) -> None:
    agreed = await accounts_of(tx, accounts)
    billed = select(Invoice.account_id).where(Invoice.month == str(due.month), Invoice.account_id.in_(accounts))
    done = set((await tx.execute(billed)).scalars())
    ours = [agreed[each][0] for each in accounts if agreed[each][1] == due.zone and each not in done]
    bills = [
        _Bill(new_id(), history, history.statement(currency, at=due.month.end))
        for history in await histories_of(tx, ours, due.month, ends=())
        for currency in history.currencies
    ]
    await _draft(tx, bills, due.zone, now)
    await _write_lines(tx, bills, name_them)
    await _finalize(tx, [bill.id for bill in bills if bill.statement.is_collected], now)
    await _settle(tx, [bill.id for bill in bills if not bill.statement.is_collected], now)
    await _use_credits(tx, bills)
    postings = [_posting(bill, now) for bill in bills]
    await post(tx, postings)
    await accrue_closed(tx, [(_settled(b), p) for b, p in zip(bills, postings, strict=True) if b.statement.used])
    await _fix_currencies(tx, [bill.statement for bill in bills if bill.statement.is_collected], now)


async def _draft(tx: Tx, bills: Sequence[_Bill], zone: str, now: datetime) -> None:
    whose = any_(literal([bill.statement.account for bill in bills], ARRAY(Uuid)))
    emails = select(User.id, User.email).where(User.id == whose)
    email = {row.id: row.email for row in await tx.execute(emails)}
    drafts = [
        facts_of(bill.history, bill.statement)
        | {"id": bill.id, "email": email[bill.statement.account], "zone": zone, "zone_data": zone_rules()}
        | {"state": InvoiceState.DRAFT, "created_at": now, "updated_at": now}
        for bill in bills
    ]
    await _DRAFTS.write(tx, drafts)


_DRAFTS: Final = Bulk(
    Invoice,
    "id account_id email currency month starts_at ends_at zone zone_data state terms net_minor tax_minor"
    " prepaid_minor carried_minor due_minor created_at updated_at".split(),
)


async def _write_lines(tx: Tx, bills: Sequence[_Bill], name_them: NameThem) -> None:
    held = {(bill.statement.account, line.resource) for bill in bills for line in bill.statement.lines}
    named = await name_them(tx, held, max((bill.statement.month.end for bill in bills), default=_NEVER))
    rows = []
    for bill in bills:
        for line in lines_of(bill.statement):
            name = named.get((bill.statement.account, line["addon_id"]), _NOBODY)
            line.update(
                id=new_id(), invoice_id=bill.id, addon=name.addon, app_id=name.app_id, app=name.app, tags=name.tags
            )
            rows.append(line)
    await _LINES.write(tx, rows)
    await use_up(tx, [_metered(row) for row in rows if row["meter"] is not None])


_LINES: Final = Bulk(InvoiceLine, [column.name for column in InvoiceLine.__table__.columns])


def _metered(row: dict[str, Any]) -> MeteredLine:
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in row["spans"]]
    return MeteredLine(row["id"], row["addon_id"], row["meter"], spans)


async def _finalize(tx: Tx, ids: Sequence[UUID], now: datetime) -> None:
    """Give drafts their numbers. Nothing of them changes any more."""
    numbers = await take_numbers(tx, Series.INVOICE, len(ids), now)
    if not ids:
        return
    numbered = (
        func.unnest(cast(list(ids), ARRAY(Uuid)), cast(list(numbers), ARRAY(Text)))
        .table_valued("id", "number")
        .render_derived()
    )
    statement = (
        update(Invoice)
        .where(Invoice.id == numbered.c.id, Invoice.state == InvoiceState.DRAFT)
        .values(state=InvoiceState.FINALIZED, number=numbered.c.number, finalized_at=now, updated_at=now)
    )
    await tx.execute(statement)


async def _settle(tx: Tx, ids: Sequence[UUID], now: datetime) -> None:
    """Leave it at statements, where there is nothing to collect or too little."""
    drafts = update(Invoice).where(
        Invoice.id == any_(literal(list(ids), ARRAY(Uuid))), Invoice.state == InvoiceState.DRAFT
    )
    await tx.execute(drafts.values(state=InvoiceState.STATEMENT, updated_at=now))


async def _use_credits(tx: Tx, bills: Sequence[_Bill]) -> None:
    uses = [
        {"credit_id": use.credit, "invoice_id": bill.id, "minor": use.minor}
        for bill in bills
        for use in bill.statement.used
    ]
    if uses:
        await tx.execute(insert(CreditUsed), uses)


def _posting(bill: _Bill, now: datetime) -> Posting:
    found = bill.statement
    key = closing_key(found.account, found.currency, str(found.month))
    return Posting(key, "close", found.account, found.currency, now, closing_amounts(found), bill.id)


def _settled(bill: _Bill) -> Settled:
    found = bill.statement
    month = str(found.month)
    return Settled(bill.id, found.account, found.currency, month, found.carried_minor, found.due_minor)


async def _fix_currencies(tx: Tx, invoiced: Sequence[Statement], now: datetime) -> None:
    """The currency of an account's first invoice stays its own."""
    first = {found.account: found.currency for found in reversed(invoiced)}
    if not first:
        return
    accounts = func.unnest(cast(list(first), ARRAY(Uuid)), cast(list(first.values()), ARRAY(Text)))
    rows = accounts.table_valued("id", "currency").render_derived()
    at = literal(now, DateTime(timezone=True))
    columns = ["id", "currency", "created_at", "updated_at"]
    made = upsert(BillingAccount).from_select(columns, select(rows.c.id, rows.c.currency, at, at))
    await tx.execute(
        made.on_conflict_do_update(
            index_elements=[BillingAccount.id],
            set_={"currency": made.excluded.currency},
            where=BillingAccount.currency.is_(None),
        )
    )
