"""What no gateway tells any more: operators say how a payment, a refund or a chargeback ended, with their evidence for it.

Such as after the gateway was changed: the one that was asked cannot be asked again, and nobody may be charged twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from broker.billing.chargebacks import fee_for
from broker.billing.collect import record_written_off
from broker.billing.models import Invoice
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.money import Money
from broker.payments.chargebacks import ChargebackView, chargeback_key, chargeback_named, take_in_chargeback
from broker.payments.denied import DENIED, decide_again, mark_settled
from broker.payments.models import Payment, Refund
from broker.payments.pay import KEYS_KEPT
from broker.payments.ports import Chargeback, Declined, Succeeded, Verdict
from broker.payments.refunds import BY_HAND, NOT_BOOKED, WRITTEN_OFF, RefundView, make_refund_true, refund_view
from broker.payments.settle import locked_payment, make_true
from broker.payments.views import PaymentView, payment_view

_LONGEST: Final = 500
_NO_MONEY: Final = "It was settled by hand: no money came."
_NONE_BACK: Final = "It was settled by hand: no money went back."
_TOO_SOON: Final = (
    "The payment gateway is still being asked: what it does not tell within a day can be settled by hand."
)
_BANK_TOO_SOON: Final = "The bank took this within the last day: it has not decided yet."


@run_again
async def settle_payment(ctx: Context, actor: Actor, key: str, *, succeeded: bool, evidence: str) -> PaymentView:
    """Say how a payment ended of which the gateway has told nothing for a day, or of which it tells otherwise than was said
    by hand: operators only.

    If the gateway tells later that money came after all, that is taken in; that none came, is told by the check of the books.
    Transactions: one.
    Raises: NotFound, also for everybody but operators; Conflict for what has ended or was asked lately; InvalidParams.
    """
    actor.require_operator()
    said = _said(evidence)
    async with ctx.database.transaction() as tx:
        known = select(Payment.id).where(Payment.id == as_uuid(key))
        if (await tx.execute(known)).first() is None:
            raise NotFound("payment")
        row, now = await locked_payment(tx, UUID(key)), ctx.clock.now()
        if row.finished_at is not None and row.failure_code != DENIED:
            raise Conflict(f"This payment has ended already: it {row.state}.")
        if row.called_at is None or now < row.called_at + KEYS_KEPT:
            raise Conflict(_TOO_SOON)
        await tx.execute(update(Payment).where(Payment.id == row.id).values(fencing=row.fencing + 1))
        row = await locked_payment(tx, row.id)  # whoever asks the gateway at this moment comes too late
        facts: dict[str, Any] = {"payment_id": str(row.id), "account_id": str(row.account_id), "number": row.number}
        await emit(tx, "payment.settled_by_hand", actor, now, **facts, succeeded=succeeded, evidence=said)
        if row.failure_code == DENIED:
            await decide_again(tx, row, now, came=succeeded)
        else:
            reference = row.gateway_reference or BY_HAND
            answer = Succeeded(reference) if succeeded else Declined(BY_HAND, _NO_MONEY, row.gateway_reference)
            await make_true(tx, row, answer, now, timedelta(0))
            if succeeded:
                await mark_settled(tx, row.id)
        return await payment_view(tx, Payment.id == row.id)


@run_again
async def settle_refund(ctx: Context, actor: Actor, key: str, *, succeeded: bool, evidence: str) -> RefundView:
    """Say how a refund ended of which the gateway has told nothing for a day; or write off one that is done and that the
    books did not allow: operators only.

    If the gateway tells otherwise later, that is taken in. Transactions: one.
    Raises: as above.
    """
    actor.require_operator()
    said = _said(evidence)
    async with ctx.database.transaction() as tx:
        row, now = await _locked_refund(tx, key), ctx.clock.now()
        facts: dict[str, Any] = {
            "refund_id": str(row.id),
            "payment_id": str(row.payment_id),
            "account_id": str(row.account_id),
        }
        await emit(tx, "refund.settled_by_hand", actor, now, **facts, succeeded=succeeded, evidence=said)
        if row.failure_code == NOT_BOOKED and succeeded:
            money = Money(row.minor, row.currency)
            await record_written_off(tx, row.account_id, money, f"refund {row.id}", now)
            written_off = update(Refund).where(Refund.id == row.id)
            await tx.execute(written_off.values(failure_code=WRITTEN_OFF, failure_message=said, updated_at=now))
        elif row.finished_at is not None:
            raise Conflict(f"This refund has ended already: it {row.state}.")
        elif row.tries == 0 or now < row.created_at + KEYS_KEPT:
            raise Conflict(_TOO_SOON)
        else:
            answer = Succeeded(row.gateway_reference or BY_HAND) if succeeded else Declined(BY_HAND, _NONE_BACK)
            await tx.execute(update(Refund).where(Refund.id == row.id).values(fencing=row.fencing + 1))
            await make_refund_true(tx, row, answer, now)
        return await refund_view(tx, row.id)


@run_again
async def settle_chargeback(ctx: Context, actor: Actor, key: str, *, won: bool, evidence: str) -> ChargebackView:
    """Say how a bank decided about a chargeback of which no gateway tells it any more: operators only.

    If the gateway tells otherwise later, that is taken in. Transactions: one.
    Raises: as above.
    """
    actor.require_operator()
    said = _said(evidence)
    async with ctx.database.transaction() as tx:
        row, now = await locked_payment(tx, (await chargeback_named(tx, key)).payment_id), ctx.clock.now()
        found = await chargeback_named(tx, key)
        if found.state != Verdict.OPEN:
            raise Conflict(f"The bank has decided about this chargeback already: it is {found.state}.")
        if now < found.taken_at + KEYS_KEPT:
            raise Conflict(_BANK_TOO_SOON)
        facts: dict[str, Any] = {"payment_id": str(row.id), "account_id": str(row.account_id), "number": row.number}
        facts |= {"chargeback": key, "won": won, "evidence": said}
        await emit(tx, "payment.chargeback_settled_by_hand", actor, now, **facts)
        fee = await fee_for(tx, chargeback_key(row.id, key))
        told = Chargeback(key, found.minor, Verdict.WON if won else Verdict.LOST, BY_HAND, fee)
        await take_in_chargeback(tx, row, told, now)
        return await chargeback_named(tx, key)


async def _locked_refund(tx: Tx, key: str) -> Any:
    """A refund with its invoice and its payment locked before it."""
    found = select(Refund.invoice_id, Refund.payment_id).where(Refund.id == as_uuid(key))
    of_it = (await tx.execute(found)).one_or_none()
    if of_it is None:
        raise NotFound("refund")
    await tx.execute(select(Invoice.id).where(Invoice.id == of_it.invoice_id).with_for_update())
    await tx.execute(select(Payment.id).where(Payment.id == of_it.payment_id).with_for_update())
    locked = select(*Refund.__table__.columns).where(Refund.id == as_uuid(key)).with_for_update()
    return (await tx.execute(locked)).one()


def _said(evidence: str) -> str:
    said = " ".join(evidence.split())
    if not said or len(said) > _LONGEST:
        raise InvalidParams(f"evidence: say how you know, in at most {_LONGEST} characters.")
    return said
