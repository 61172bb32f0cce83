"""Proving the books: every bill is computed again from the history, and the sums that must hold are summed up. Reads only.

Differences are sentences; there should be none. `check_some` goes on where it was left, so that no run has to be long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, literal, select, update

from broker.billing.bill import facts_of, lines_of, terms_from
from broker.billing.check_shares import check_collected, unlike_their_lines
from broker.billing.history import histories_of
from broker.billing.ledger import LedgerAccount, closing_amounts, closing_key
from broker.billing.models import (
    BillingCheck,
    CreditGrant,
    CreditNote,
    CreditUsed,
    Invoice,
    InvoiceCounter,
    InvoiceLine,
    LedgerEntry,
    LedgerTransaction,
)
from broker.billing.months import Month
from broker.billing.numbers import Series
from broker.billing.pricing import Statement
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.ids import as_uuid, new_id

EVERY: Final = timedelta(days=1)
_AT_ONCE: Final = 100
_MOST_KEPT: Final = 100
_WORDED: Final = ("explanation",)
"""What later releases may say in other words."""
_TURN: Final = "broker.billing.check"


@dataclass(frozen=True, slots=True)
class Checked:
    """A part of a check: how many bills it looked at, what was wrong, and after which one to go on (None: that was all)."""

    bills: int
    differences: Sequence[str]
    after: UUID | None


Further = Callable[[Tx], Awaitable[Sequence[str]]]
"""A check of sums by whoever stands above and keeps tables of its own."""


async def check_some(
    ctx: Context, actor: Actor, after: str | None = None, most: int = _AT_ONCE, further: Sequence[Further] = ()
) -> Checked:
    """Look at the next bills after the one with this id; with the last of them, at the sums. Operators only.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    async with ctx.database.transaction(snapshot=True) as tx:
        return await _check(tx, as_uuid(after or ""), most, further)


@run_again
async def check_nightly(ctx: Context, further: Sequence[Further] = ()) -> bool:
    """Begin a check once a day, and go on with one that was begun; whether there was anything to do. Part of the sweep.

    Transactions: one.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction(snapshot=True) as tx:
        turn = select(func.pg_try_advisory_xact_lock(func.hashtextextended(_TURN, 0)))
        if not (await tx.execute(turn)).scalar():
            return False
        newest = select(BillingCheck.__table__).order_by(BillingCheck.started_at.desc()).limit(1)
        run = (await tx.execute(newest)).one_or_none()
        if run is None or (run.finished_at and run.started_at <= now - EVERY):
            run_id, after, checked, before = new_id(), None, 0, []
            begun = {"id": run_id, "checked": 0, "differences": [], "started_at": now}
            await tx.execute(insert(BillingCheck).values(begun))
        elif run.finished_at is None:
            run_id, after, checked, before = run.id, run.after, run.checked, run.differences
        else:
            return False
        part = await _check(tx, after, _AT_ONCE, further)
        found = [*before, *part.differences][:_MOST_KEPT]
        reached = {"after": part.after, "checked": checked + part.bills, "differences": found}
        finished = now if part.after is None else None
        await tx.execute(update(BillingCheck).where(BillingCheck.id == run_id).values(**reached, finished_at=finished))
        if finished and found:
            await emit(tx, "billing.check_failed", SYSTEM, now, differences=found)
    return True


async def _check(tx: Tx, after: UUID | None, most: int, further: Sequence[Further]) -> Checked:
    bills = select(Invoice.__table__).order_by(Invoice.id).limit(most)
    rows = (await tx.execute(bills if after is None else bills.where(Invoice.id > after))).all()
    found = [*await _check_bills(tx, rows), *await unlike_their_lines(tx, [row.id for row in rows])]
    if len(rows) == most:
        return Checked(len(rows), found, rows[-1].id)
    for sums in (_check_sums, check_collected, *further):
        found += await sums(tx)
    return Checked(len(rows), found, None)


async def _check_bills(tx: Tx, bills: Sequence[Any]) -> list[str]:
    """Bills of one close are computed together, as they were then."""
    ids = [bill.id for bill in bills]
    written: dict[UUID, list[Any]] = defaultdict(list)
    of_them = select(InvoiceLine.__table__).where(InvoiceLine.invoice_id.in_(ids)).order_by(InvoiceLine.number)
    for line in await tx.execute(of_them):
        written[line.invoice_id].append(line)
    posted = await _posted(tx, bills)
    alike: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for bill in bills:
        alike[bill.month, bill.starts_at, bill.ends_at, bill.created_at].append(bill)
    found: list[str] = []
    for group in alike.values():
        for bill, again, facts in await _computed_again(tx, group):
            found += _differences(bill, written[bill.id], again, facts)
            if posted.get(_key(bill), {}) != {(str(a), s): minor for (a, s), minor in closing_amounts(again).items()}:
                found.append(f"{_name(bill)}: the ledger does not say what closing it posts.")
    return found


async def _computed_again(tx: Tx, bills: Sequence[Any]) -> list[tuple[Any, Statement, dict[str, Any]]]:
    first = bills[0]
    year, number = map(int, first.month.split("-"))
    month = Month(year, number, first.starts_at, first.ends_at)
    stored = {(bill.account_id, bill.currency): terms_from(bill) for bill in bills}
    terms = {account: agreed for (account, _), (agreed, _) in stored.items()}
    histories = await histories_of(tx, list(terms.values()), month, known_at=first.created_at, ends=())
    by_account = {history.terms.account: history for history in histories}
    found = []
    for bill in bills:
        agreed, standing = stored[bill.account_id, bill.currency]
        history = replace(by_account[bill.account_id], terms=agreed, standing={bill.currency: standing})
        again = history.statement(bill.currency, at=month.end)
        found.append((bill, again, facts_of(history, again)))
    return found


def _differences(bill: Any, lines: Sequence[Any], again: Statement, facts: dict[str, Any]) -> list[str]:
    found = [
        f"{_name(bill)}: {name} is {getattr(bill, name)!r}, and from the history {value!r}."
        for name, value in facts.items()
        if getattr(bill, name) != value
    ]
    expected = lines_of(again)
    if len(expected) != len(lines):
        return [*found, f"{_name(bill)}: it has {len(lines)} lines, and from the history {len(expected)}."]
    found += [
        f"{_name(bill)}: {name} of line {line.number} is {getattr(line, name)!r}, and from the history {value!r}."
        for line, wanted in zip(lines, expected, strict=True)
        for name, value in wanted.items()
        if name not in _WORDED and getattr(line, name) != value
    ]
    net = sum(line.minor - line.discount_minor - line.promo_minor for line in lines)
    tax = sum(line.tax_minor for line in lines)
    inclusive = bool(bill.terms["tax"] and bill.terms["tax"]["inclusive"])
    if (net - tax if inclusive else net, tax) != (bill.net_minor, bill.tax_minor):
        found.append(f"{_name(bill)}: its lines do not sum to it.")
    return found


def _name(bill: Any) -> str:
    return f"{bill.number or 'statement'} of {bill.email} for {bill.month} in {bill.currency}"


def _key(bill: Any) -> str:
    return closing_key(bill.account_id, bill.currency, bill.month)


async def _posted(tx: Tx, bills: Sequence[Any]) -> dict[str, dict[tuple[str, str], int]]:
    statement = (
        select(LedgerTransaction.key, LedgerEntry.ledger_account, LedgerEntry.service, LedgerEntry.minor)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.key.in_([_key(bill) for bill in bills]))
    )
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for key, account, service, minor in await tx.execute(statement):
        found[key][account, service] = minor
    return found


async def _check_sums(tx: Tx) -> list[str]:
    """What must hold of everything together."""
    return [
        *await _unbalanced(tx),
        *await _gaps(tx),
        *await _overused(tx),
        *await _unlike_the_ledger(tx),
    ]


async def _unbalanced(tx: Tx) -> list[str]:
    sums = select(LedgerEntry.transaction_id, func.sum(LedgerEntry.minor)).group_by(LedgerEntry.transaction_id)
    wrong = await tx.execute(sums.having(func.sum(LedgerEntry.minor) != 0).limit(_MOST_KEPT))
    return [f"ledger transaction {key} sums to {minor} instead of 0." for key, minor in wrong]


async def _gaps(tx: Tx) -> list[str]:
    found = []
    counters = (await tx.execute(select(InvoiceCounter.series, InvoiceCounter.last))).all()
    for series, last in counters:
        number = (Invoice if series.startswith(Series.INVOICE) else CreditNote).number
        there = (await tx.execute(select(func.count()).where(number.startswith(f"{series}-")))).scalar_one()
        if there != last:
            found.append(f"series {series} has {there} documents and counted {last}.")
    return found


async def _overused(tx: Tx) -> list[str]:
    used = select(CreditUsed.credit_id, func.sum(CreditUsed.minor).label("minor")).group_by(CreditUsed.credit_id)
    uses = used.subquery()
    over = select(CreditGrant.id, CreditGrant.minor, uses.c.minor).join(uses, uses.c.credit_id == CreditGrant.id)
    wrong = await tx.execute(over.where(uses.c.minor > CreditGrant.minor))
    return [f"credit {key} of {minor} was used for {spent}." for key, minor, spent in wrong]


async def _unlike_the_ledger(tx: Tx) -> list[str]:
    """Balances of the ledger beside what the tables of credits say."""
    granted = select(CreditGrant.kind, CreditGrant.currency, CreditGrant.minor.label("minor"))
    spent = select(CreditGrant.kind, CreditGrant.currency, (-CreditUsed.minor).label("minor")).join(
        CreditGrant, CreditGrant.id == CreditUsed.credit_id
    )
    left = granted.union_all(spent).subquery()
    tables = select(literal("credit:") + left.c.kind, left.c.currency, func.sum(left.c.minor)).group_by(
        left.c.kind, left.c.currency
    )
    accounts = (LedgerAccount.PROMO, LedgerAccount.PREPAID)
    sums = (
        select(LedgerEntry.ledger_account, LedgerTransaction.currency, -func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerEntry.ledger_account.in_(accounts))
        .group_by(LedgerEntry.ledger_account, LedgerTransaction.currency)
    )
    expected = {(account, currency): int(minor) for account, currency, minor in await tx.execute(tables)}
    found = {(account, currency): int(minor) for account, currency, minor in await tx.execute(sums)}
    return [
        f"{account} in {currency}: the ledger has {found.get((account, currency), 0)}, the credits sum to"
        f" {expected.get((account, currency), 0)}."
        for account, currency in sorted(expected.keys() | found.keys())
        if expected.get((account, currency), 0) != found.get((account, currency), 0)
    ]
