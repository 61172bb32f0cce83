"""Payments that were settled by hand as paid: the gateway may still have its say, and deny it or confirm it.

What it denies stays paid until somebody has decided: the check of the books tells of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from broker.billing.models import BillingAccount
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.payments.chargebacks import take_in_chargeback
from broker.payments.customers import reference_of
from broker.payments.models import Payment
from broker.payments.ports import Chargeback, Charged, Declined, LookCall, NotThere, Succeeded, Verdict
from broker.payments.refunds import BY_HAND

DENIED: Final = "denied"
"""Somebody said by hand that it was paid, and the gateway says that it was not."""
NOT_RECEIVED: Final = "not_received"
"""Then somebody has agreed: it is owed again."""
SAID_BY_HAND: Final = (BY_HAND, DENIED, NOT_RECEIVED)
"""Marks of what nobody but a person has told: beside the state, in place of the reason of a failure."""
FEE_TOLD: Final = timedelta(minutes=5)


async def mark_settled(tx: Tx, payment_id: UUID) -> None:
    """Remember that it was a person who said that it was paid."""
    await tx.execute(update(Payment).where(Payment.id == payment_id).values(failure_code=BY_HAND))


async def look_call(ctx: Context, payment_id: UUID, gateway: str) -> LookCall:
    """What to ask the gateway about such a payment."""
    wanted = select(Payment.gateway_reference, BillingAccount.gateway_customer)
    joined = wanted.outerjoin(BillingAccount, BillingAccount.id == Payment.account_id)
    async with ctx.database.transaction() as tx:
        reference, customer = (await tx.execute(joined.where(Payment.id == payment_id))).one()
    return LookCall(payment_id, None if reference == BY_HAND else reference, reference_of(customer, gateway))


async def take_in_word(
    tx: Tx, payment: Any, told: Charged | NotThere, now: datetime, pause: timedelta
) -> datetime | None:
    """Make true what the gateway says of such a payment, which is locked with its invoice; when to look again."""
    this = update(Payment).where(Payment.id == payment.id)
    if isinstance(told, Succeeded):
        await tx.execute(this.values(failure_code=None, failure_message=None, gateway_reference=told.reference))
        if payment.failure_code == NOT_RECEIVED:
            await take_in_chargeback(tx, payment, _as_chargeback(payment, Verdict.WON), now)
        return now + FEE_TOLD
    if isinstance(told, Declined) and payment.failure_code == BY_HAND:
        facts = {"payment_id": str(payment.id), "account_id": str(payment.account_id), "number": payment.number}
        await emit(tx, "payment.denied", SYSTEM, now, **facts, code=told.code, reason=told.message)
        await tx.execute(this.values(failure_code=DENIED, failure_message=told.message))
    return None if isinstance(told, Declined | NotThere) else now + pause


async def decide_again(tx: Tx, payment: Any, now: datetime, *, came: bool) -> None:
    """Say once more how a payment ended that the gateway denies: what did not come is owed again, as if a bank had taken it."""
    mark = {"failure_code": None if came else NOT_RECEIVED, "failure_message": None}
    await tx.execute(update(Payment).where(Payment.id == payment.id).values(mark))
    if not came:
        await take_in_chargeback(tx, payment, _as_chargeback(payment, Verdict.LOST), now)


def _as_chargeback(payment: Any, verdict: Verdict) -> Chargeback:
    return Chargeback(f"{NOT_RECEIVED}_{payment.id}", payment.minor, verdict, NOT_RECEIVED)
