"""What banks take back: taken into the books as the gateway tells it, told to whom it concerns, listed for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from broker.billing.chargebacks import record_charged_back, record_lost, record_won
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.payments.delinquency import look_again
from broker.payments.ports import Chargeback, Verdict
from broker.payments.reopen import reopen


def chargeback_key(payment_id: UUID, reference: str = "") -> str:
    """The name in the ledger of what a bank took back of a payment; without a reference, what all of them begin with."""
    return f"chargeback {payment_id} {reference}"


async def take_in_chargeback(tx: Tx, payment: Any, told: Chargeback, now: datetime) -> None:
    """Make true what the gateway says of a chargeback of this payment, which is locked with its invoice."""
    key, facts = chargeback_key(payment.id, told.reference), _facts(payment, told)
    opened_with = told.fee_minor if told.verdict is Verdict.OPEN else 0
    if await record_charged_back(tx, payment.invoice_id, told.minor, key, now, opened_with):
        due = None if told.answer_by is None else rfc3339(told.answer_by)
        await emit(tx, "payment.charged_back", SYSTEM, now, **facts, answer_by=due)
    if told.verdict is Verdict.WON and await record_won(tx, payment.invoice_id, key, now, told.fee_minor):
        await emit(tx, "payment.chargeback_won", SYSTEM, now, **facts)
    if told.verdict is Verdict.LOST:
        owed = await record_lost(tx, payment.invoice_id, key, now, told.fee_minor)
        if owed is not None:
            await emit(tx, "payment.chargeback_lost", SYSTEM, now, **facts, owed=str(Money(owed, payment.currency)))
        if owed:
            await reopen(tx, payment.invoice_id, now)
    await look_again(tx, payment.account_id, now)


def _facts(payment: Any, told: Chargeback) -> dict[str, Any]:
    return {
        "payment_id": str(payment.id),
        "invoice_id": str(payment.invoice_id),
        "account_id": str(payment.account_id),
        "number": payment.number,
        "amount": str(Money(told.minor, payment.currency)),
        "chargeback": told.reference,
        "reason": told.reason,
    }
