"""Paying an invoice by hand: its owner is there, and can confirm what the bank wants confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from broker.billing.invoices import visible_invoices
from broker.billing.ledger import owed_on
from broker.billing.models import Invoice
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import run_again
from broker.kernel.errors import Conflict, NotFound, Unverified
from broker.kernel.ids import as_uuid, new_id
from broker.payments.methods import visible_methods
from broker.payments.models import Payment, PaymentMethod
from broker.payments.start import TO_BE_PAID, Hindrance, start_payment
from broker.payments.views import PaymentView, payment_view


@dataclass(frozen=True, slots=True)
class Unpaid:
    """An invoice with what is still to be paid of it. Units: minor units."""

    id: UUID
    number: str
    month: str
    currency: str
    owed_minor: int


async def list_unpaid(ctx: Context, actor: Actor) -> list[Unpaid]:
    """What the actor has to pay, the oldest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        unpaid = visible_invoices(actor).where(Invoice.state.in_(TO_BE_PAID)).order_by(Invoice.month)
        return [
            Unpaid(row.id, row.number, row.month, row.currency, await owed_on(tx, row.id))
            for row in (await tx.execute(unpaid)).all()
        ]


@run_again
async def pay_invoice(
    ctx: Context, actor: Actor, key: str, method: str | None = None, payment_id: UUID | None = None
) -> PaymentView:
    """Begin to pay an invoice of the actor's, by the payment method named or the default one.

    Raises: NotFound for the invoice or the method, also for somebody else's; Unverified without a payment method;
        Conflict if nothing is owed, or a payment is under way.
    """
    actor.require_own_token()
    payment_id = payment_id or new_id()
    async with ctx.database.transaction() as tx:
        which = Invoice.id == as_uuid(key) if as_uuid(key) else Invoice.number == key
        invoice = (await tx.execute(visible_invoices(actor).where(which))).one_or_none()
        if invoice is None:
            raise NotFound("invoice")
        method_id = None if method is None else as_uuid(method)
        if method is not None:
            known = (await tx.execute(visible_methods(actor).where(PaymentMethod.id == method_id))).first()
            if known is None:
                raise NotFound("payment_method")
        started = await start_payment(
            tx, ctx, invoice.id, actor=actor, by_hand=True, method_id=method_id, payment_id=payment_id
        )
        if started is Hindrance.NO_METHOD:
            raise Unverified(str(started))
        if isinstance(started, Hindrance):
            raise Conflict(str(started))
        return await payment_view(tx, Payment.id == started)
