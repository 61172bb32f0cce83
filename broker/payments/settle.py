"""The only place where a gateway's answer becomes the state of a payment, money in the ledger, an event and a notice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from broker.billing.collect import record_collected
from broker.billing.ledger import owed_on
from broker.billing.models import Invoice
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.kernel.signals import notify as wake
from broker.notices.outbox import notify
from broker.payments.delinquency import look_again, note_declined
from broker.payments.models import Payment, PaymentState
from broker.payments.ports import ActionNeeded, Charged, Declined, Pending, Succeeded

AGAIN: Final = "authentication_required"
FEE_TOLD: Final = timedelta(minutes=5)
"""When a gateway is asked for its fee that did not say it at once."""


async def settle(ctx: Context, payment_id: UUID, fencing: int, answer: Charged, pause: timedelta) -> bool:
    """Make an answer true, unless somebody else has claimed the payment since; whether it was.

    What succeeded stays so, whatever an older attempt is told later. Transactions: one.
    """
    async with ctx.database.transaction() as tx:
        row = await locked_payment(tx, payment_id)
        if row.fencing != fencing or row.state == PaymentState.SUCCEEDED:
            return False
        await make_true(tx, row, answer, ctx.clock.now(), pause)
        return True


async def make_true(tx: Tx, row: Any, answer: Charged, now: datetime, pause: timedelta) -> None:
    """Write down what an answer means for a payment that is locked and has not succeeded."""
    if isinstance(answer, Succeeded):
        await _succeeded(tx, row, answer, now)
    elif isinstance(answer, Declined):
        await _ended(tx, row, PaymentState.FAILED, answer.code, answer.message, answer.reference, now)
    elif isinstance(answer, ActionNeeded) and (answer.url is None or not row.by_hand):
        await _ended(tx, row, PaymentState.ACTION_NEEDED, AGAIN, answer.message, answer.reference, now)
    else:
        await _goes_on(tx, row, answer, now, pause)
    await wake(tx, row.id)


async def locked_payment(tx: Tx, payment_id: UUID) -> Any:
    """The payment, with its invoice locked before it: the order in which everybody takes the two."""
    invoice = select(Payment.invoice_id).where(Payment.id == payment_id).scalar_subquery()
    await tx.execute(select(Invoice.id).where(Invoice.id == invoice).with_for_update())
    wanted = select(*Payment.__table__.columns, Invoice.number).join(Invoice, Invoice.id == Payment.invoice_id)
    return (await tx.execute(wanted.where(Payment.id == payment_id).with_for_update(of=Payment))).one()


async def _succeeded(tx: Tx, row: Any, answer: Succeeded, now: datetime) -> None:
    """Money has come. What the invoice does not need any more becomes a credit of the account (`record_collected`)."""
    taken = max(min(await owed_on(tx, row.invoice_id), row.minor), 0)
    await _write(
        tx, row, PaymentState.SUCCEEDED, now, reference=answer.reference, finished_at=now, collected_minor=taken,
        failure_code=None, failure_message=None, action_url=None,
        next_at=now + FEE_TOLD if answer.fee_minor is None else None,
    )  # fmt: skip
    fee = min(answer.fee_minor or 0, row.minor)
    left = await record_collected(tx, row.invoice_id, row.minor, collection_key(row.id), now, fee_minor=fee)
    await look_again(tx, row.account_id, now)
    facts = _facts(row) | {"left": str(Money(left, row.currency))}
    await emit(tx, "payment.succeeded", SYSTEM, now, **facts)
    await notify(tx, row.account_id, "payment.received", facts, now, key=f"payment.received {row.id}")


async def _ended(
    tx: Tx, row: Any, state: PaymentState, code: str, message: str, reference: str | None, now: datetime
) -> None:
    """Without money. What had ended so before is left as it was."""
    if row.finished_at is not None:
        await _write(tx, row, PaymentState(row.state), now, reference=reference, next_at=None)
        return
    await _write(
        tx, row, state, now, reference=reference, finished_at=now, failure_code=code, failure_message=message,
        next_at=None, action_url=None,
    )  # fmt: skip
    await note_declined(tx, row.invoice_id, now)
    facts = _facts(row) | {"code": code, "reason": message}
    await emit(tx, "payment.failed", SYSTEM, now, **facts)
    await notify(tx, row.account_id, "payment.failed", facts, now, key=f"payment.failed {row.id}")


async def withdraw(tx: Tx, payment_id: UUID, code: str, message: str, now: datetime) -> None:
    """End an attempt that no gateway was asked for: nobody is told that a payment failed, and no dunning follows of it.

    Transactions: the caller's, which has claimed the payment and holds its invoice's lock.
    """
    row = await locked_payment(tx, payment_id)
    await _write(
        tx, row, PaymentState.FAILED, now, finished_at=now, failure_code=code, failure_message=message, next_at=None
    )
    await wake(tx, payment_id)


async def _goes_on(tx: Tx, row: Any, answer: Any, now: datetime, pause: timedelta) -> None:
    if row.finished_at is not None:
        await _write(tx, row, PaymentState(row.state), now, next_at=now + pause)
    elif isinstance(answer, Pending):
        await _write(tx, row, PaymentState.WAITING, now, reference=answer.reference, next_at=now + pause)
    elif isinstance(answer, ActionNeeded):
        await _write(
            tx, row, PaymentState.ACTION_NEEDED, now, reference=answer.reference, next_at=now + pause,
            action_url=answer.url, failure_message=answer.message,
        )  # fmt: skip
    else:
        await _write(tx, row, PaymentState.UNSURE, now, next_at=now + pause)


async def _write(
    tx: Tx, row: Any, state: PaymentState, now: datetime, *, reference: str | None = None, **values: Any
) -> None:
    values |= {"state": state, "lease_until": None, "updated_at": now}
    values["gateway_reference"] = reference or row.gateway_reference
    mine = update(Payment).where(Payment.id == row.id, Payment.fencing == row.fencing)
    result = await tx.execute(mine.values(values))
    assert result.rowcount == 1, "the payment is locked"


def collection_key(payment_id: UUID) -> str:
    """The name in the ledger of what a payment brought."""
    return f"payment {payment_id}"


def _facts(row: Any) -> dict[str, Any]:
    return {
        "payment_id": str(row.id),
        "invoice_id": str(row.invoice_id),
        "account_id": str(row.account_id),
        "number": row.number,
        "amount": str(Money(row.minor, row.currency)),
        "attempt": row.attempt,
    }
