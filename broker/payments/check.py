"""Proving that payments, refunds and the ledger tell the same, and finding what is stuck: a part of the check of the books."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import and_, case, func, literal, or_, select

from broker.billing.ledger import LedgerAccount
from broker.billing.models import Invoice, LedgerEntry, LedgerTransaction
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.payments.models import Payment, PaymentState, Refund, RefundState
from broker.payments.refunds import NOT_BOOKED
from broker.payments.unsettled import unsettled

_MOST: Final = 100


def check_payments(now: datetime) -> Callable[[Tx], Awaitable[Sequence[str]]]:
    """Differences as sentences, which say what to do where people have to."""

    async def check(tx: Tx) -> list[str]:
        return [
            *map(str, await unsettled(tx, now)),
            *await _not_in_the_ledger(tx),
            *await _other_amounts(tx),
            *await _other_refunds(tx),
            *await _withheld(tx),
        ]

    return check


async def _not_in_the_ledger(tx: Tx) -> list[str]:
    """Money that came or went according to one table, and not according to the other."""
    found = []
    done = and_(Refund.state == RefundState.SUCCEEDED, Refund.failure_code.is_distinct_from(NOT_BOOKED))
    for word, table, which in (
        ("payment", Payment, Payment.state == PaymentState.SUCCEEDED),
        ("refund", Refund, done),
    ):
        key = func.concat(literal(f"{word} "), table.id)
        posted = select(LedgerTransaction.id).where(LedgerTransaction.key == key).exists()
        missing = await tx.execute(select(table.id).where(which, ~posted).limit(_MOST))
        found += [f"{word} {each} succeeded, and the ledger does not know of it." for each in missing.scalars()]
    return found


async def _other_amounts(tx: Tx) -> list[str]:
    """Payments that are of another amount, or paid another part of their invoices, than the ledger says."""
    account, minor = LedgerEntry.ledger_account, LedgerEntry.minor
    paid = -func.sum(case((account == LedgerAccount.RECEIVABLE, minor), else_=0))
    came = paid - func.sum(case((account == LedgerAccount.PREPAID, minor), else_=0))
    sums = (
        select(Payment.id, Payment.currency, Payment.minor, Payment.collected_minor, came, paid)
        .join(LedgerTransaction, LedgerTransaction.key == func.concat(literal("payment "), Payment.id))
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .group_by(Payment.id)
        .having(or_(came != Payment.minor, paid != Payment.collected_minor))
    )
    found = []
    for payment, currency, *amounts in await tx.execute(sums.limit(_MOST)):
        told = [str(Money(int(each), currency)) for each in amounts]
        found.append(
            f"payment {payment} is of {told[0]}, of which {told[1]} paid its invoice, and the ledger says {told[2]} and"
            f" {told[3]}."
        )
    return found


async def _other_refunds(tx: Tx) -> list[str]:
    """Payments of which less or more is counted as sent back than their refunds come to."""
    # What was booked and could not be paid out is a credit by now: it is not sent back again.
    key = func.concat(literal("refund "), Refund.id)
    booked = select(LedgerTransaction.id).where(LedgerTransaction.key == key, LedgerTransaction.invoice_id.is_not(None))
    counts = or_(Refund.state != RefundState.FAILED, booked.exists())
    back = func.coalesce(func.sum(Refund.minor), 0)
    sums = (
        select(Payment.id, Payment.currency, Payment.refunded_minor, back)
        .outerjoin(Refund, and_(Refund.payment_id == Payment.id, counts))
        .group_by(Payment.id)
        .having(back != Payment.refunded_minor)
    )
    return [
        f"payment {payment}: {Money(counted, currency)} of it is said to have gone back, and its refunds come to"
        f" {Money(int(minor), currency)}."
        for payment, currency, counted, minor in await tx.execute(sums.limit(_MOST))
    ]


async def _withheld(tx: Tx) -> list[str]:
    """Banks give back no more than they took."""
    withheld = func.sum(LedgerEntry.minor)
    sums = (
        select(Invoice.number, Invoice.currency, withheld)
        .join(LedgerTransaction, LedgerTransaction.invoice_id == Invoice.id)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(LedgerEntry.ledger_account == LedgerAccount.WITHHELD)
        .group_by(Invoice.id)
        .having(withheld < 0)
    )
    rows = await tx.execute(sums.limit(_MOST))
    return [
        f"{number}: banks gave back {Money(-int(minor), currency)} more than they took."
        for number, currency, minor in rows
    ]
