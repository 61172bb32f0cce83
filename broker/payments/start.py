"""Beginning an attempt at an invoice: a row and a job. Who is asked for the money is asked by the worker (`pay.py`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Select, exists, func, insert, select

from broker.billing.chargebacks import lost_on
from broker.billing.collectable import collectable_minor
from broker.billing.ledger import owed_on
from broker.billing.models import Invoice, InvoiceState
from broker.flags.models import Flag
from broker.flags.switch import is_on
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.jobs import defer
from broker.payments.disputed import disputed_on
from broker.payments.dunning_models import InvoiceDispute
from broker.payments.models import MethodState, Payment, PaymentMethod, PaymentState

PAY: Final = "broker.pay"
"""Name of the job that goes on with one payment."""
LOOK_BACK: Final = "broker.look_back"
"""Name of the job that looks at what became of a payment which succeeded."""

TO_BE_PAID: Final = (InvoiceState.ISSUED, InvoiceState.PAST_DUE, InvoiceState.UNCOLLECTIBLE)
WITHDRAWN: Final = "nothing_owed"
"""Why an attempt ended before any gateway was asked: there was nothing left to collect."""
WAS_MADE: Final = Payment.failure_code.is_distinct_from(WITHDRAWN)
_AT_ONCE: Final = 200


class Hindrance(StrEnum):
    """Why no attempt begins, as a sentence."""

    NOTHING_OWED = "There is nothing to be paid of this invoice."
    UNDER_WAY = "A payment of this invoice is under way; wait until it is settled."
    TOO_LITTLE = "What is left of this invoice is less than cards can be charged: pay it by transfer, or leave it."
    NO_METHOD = "There is no payment method to pay with: add one with `broker payment-methods:add`."


async def start_payment(
    tx: Tx,
    ctx: Context,
    invoice_id: UUID,
    *,
    actor: Actor = SYSTEM,
    by_hand: bool = False,
    method_id: UUID | None = None,
    payment_id: UUID | None = None,
) -> UUID | Hindrance:
    """Begin to collect what is owed on an invoice, from a payment method or from the account's default one.

    The attempt is the next one of this invoice. With `by_hand`, whoever pays is there and can confirm it.
    Transactions: the caller's; it holds the invoice's lock until it ends.
    """
    locked = select(Invoice.account_id, Invoice.currency, Invoice.state).where(Invoice.id == invoice_id)
    invoice = (await tx.execute(locked.with_for_update())).one()
    owed = await to_collect(tx, invoice_id, invoice.state, by_hand=by_hand)
    if owed <= 0:
        return Hindrance.NOTHING_OWED
    if owed < collectable_minor(invoice.currency):
        return Hindrance.TOO_LITTLE
    under_way = select(Payment.id).where(Payment.invoice_id == invoice_id, Payment.finished_at.is_(None))
    if (await tx.execute(under_way)).first() is not None:
        return Hindrance.UNDER_WAY
    method = (await tx.execute(_method(invoice.account_id, method_id))).one_or_none()
    if method is None:
        return Hindrance.NO_METHOD
    last = select(func.coalesce(func.max(Payment.attempt), 0)).where(Payment.invoice_id == invoice_id)
    now, payment_id = ctx.clock.now(), payment_id or new_id()
    row = {
        "id": payment_id,
        "invoice_id": invoice_id,
        "account_id": invoice.account_id,
        "method_id": method.id,
        "gateway": method.gateway,
        "attempt": (await tx.execute(last)).scalar_one() + 1,
        "minor": owed,
        "currency": invoice.currency,
        "state": PaymentState.PENDING,
        "by_hand": by_hand,
        "next_at": now,
        "actor_id": actor.by.id,
        "actor_email": actor.by.email,
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(insert(Payment).values(row))
    await defer(tx, PAY, {"payment_id": str(payment_id)})
    return payment_id


async def to_collect(tx: Tx, invoice_id: UUID, state: str, *, by_hand: bool) -> int:
    """What may be asked for of an invoice in this state, which is locked. Units: minor units."""
    if state not in TO_BE_PAID:
        return 0
    owed = await owed_on(tx, invoice_id)
    # Nobody is made to pay what is disputed, and nobody's card is tried again for what its bank took back.
    return owed if by_hand else owed - await disputed_on(tx, invoice_id, owed) - await lost_on(tx, invoice_id)


def _method(account_id: UUID, method_id: UUID | None) -> Select[UUID, str]:
    which = PaymentMethod.is_default if method_id is None else PaymentMethod.id == method_id
    return select(PaymentMethod.id, PaymentMethod.gateway).where(
        PaymentMethod.account_id == account_id, PaymentMethod.state == MethodState.ACTIVE, which
    )


async def collect_issued(ctx: Context, most: int = _AT_ONCE) -> int:
    """Begin the first attempt at every invoice that was issued and can be collected; the number of them. Part of the sweep.

    Transactions: one.
    """
    attempted = exists().where(Payment.invoice_id == Invoice.id, WAS_MADE)
    disputed = exists().where(
        InvoiceDispute.invoice_id == Invoice.id, InvoiceDispute.line_id.is_(None), InvoiceDispute.ended_at.is_(None)
    )
    payable = exists().where(
        PaymentMethod.account_id == Invoice.account_id,
        PaymentMethod.is_default,
        PaymentMethod.state == MethodState.ACTIVE,
    )
    waiting = (
        select(Invoice.id)
        .where(Invoice.state == InvoiceState.ISSUED, ~attempted, ~disputed, payable)
        .order_by(Invoice.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    async with ctx.database.transaction() as tx:
        if not await is_on(tx, Flag.COLLECTION):
            return 0
        ids = (await tx.execute(waiting)).scalars().all()
        started = [await start_payment(tx, ctx, invoice_id) for invoice_id in ids]
    return sum(isinstance(each, UUID) for each in started)


async def collect_account(tx: Tx, ctx: Context, account_id: UUID, *, actor: Actor = SYSTEM) -> int:
    """Begin an attempt at all that an account has not paid; the number of them: after it has given a payment method."""
    unpaid = (
        select(Invoice.id)
        .where(Invoice.account_id == account_id, Invoice.state.in_(TO_BE_PAID))
        .order_by(Invoice.month)
    )
    ids = (await tx.execute(unpaid)).scalars().all()
    started = [await start_payment(tx, ctx, invoice_id, actor=actor) for invoice_id in ids]
    return sum(isinstance(each, UUID) for each in started)
