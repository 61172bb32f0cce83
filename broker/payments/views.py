"""Payments as those see them who pay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, case, select

from broker.billing.invoices import visible_invoices
from broker.billing.models import Invoice
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid
from broker.payments.models import Payment, PaymentMethod, PaymentState


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One attempt at an invoice. Units: minor units."""

    id: UUID
    invoice_id: UUID
    account_id: UUID
    gateway: str
    attempt: int
    minor: int
    currency: str
    state: str
    collected_minor: int
    refunded_minor: int
    action_url: str | None
    failure_code: str | None
    failure_message: str | None
    actor_email: str
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    invoice: str
    """The number of the invoice."""
    brand: str | None
    last4: str | None


_BEFORE_SUCCESS: Final = {
    name: case((Payment.state == PaymentState.SUCCEEDED, None), else_=getattr(Payment, name))
    for name in ("next_at", "failure_code", "failure_message")
}
"""Also what has succeeded may be looked at once more, or be denied by the gateway, which is nobody's business but operators'."""
_OWN: Final = [_BEFORE_SUCCESS.get(name, getattr(Payment, name)) for name in PaymentView.__slots__[:17]]


def payments() -> Select[Any]:
    """Every payment, as `PaymentView` wants it."""
    others = Invoice.number, PaymentMethod.brand, PaymentMethod.last4
    joined = select(*_OWN, *others).join(Invoice, Invoice.id == Payment.invoice_id)
    return joined.outerjoin(PaymentMethod, PaymentMethod.id == Payment.method_id)


def visible_payments(actor: Actor) -> Select[Any]:
    """Those of the actor's account; an operator's are still only its own."""
    return payments().where(Payment.account_id == actor.id)


async def payment_view(tx: Tx, which: Any) -> PaymentView:
    """One of whatever account: ask who it is before.

    Raises: NotFound.
    """
    row = (await tx.execute(payments().where(which))).one_or_none()
    if row is None:
        raise NotFound("payment")
    return PaymentView(*row)


async def list_payments(
    ctx: Context, actor: Actor, invoice: str | None = None, *, everybody: bool = False, most: int = 200
) -> list[PaymentView]:
    """The payments of the actor's account, the newest first; of one invoice, if it is named; for operators, of all accounts.

    Raises: Forbidden, also for a token that is limited to some apps; NotFound for everybody's, except to operators, and for an
        invoice that is not the actor's.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    if everybody:
        actor.require_operator()
    wanted = payments() if everybody else visible_payments(actor)
    which = Invoice.id == as_uuid(invoice or "") if as_uuid(invoice or "") else Invoice.number == invoice
    async with ctx.database.transaction() as tx:
        if invoice is not None:
            known = select(Invoice.id).where(which) if everybody else visible_invoices(actor).where(which)
            if (await tx.execute(known)).first() is None:
                raise NotFound("invoice")
            wanted = wanted.where(which)
        rows = await tx.execute(wanted.order_by(Payment.created_at.desc(), Payment.attempt.desc()).limit(most))
        return [PaymentView(*row) for row in rows]


async def get_payment(ctx: Context, actor: Actor, key: str) -> PaymentView:
    """One payment of the actor's account.

    Raises: NotFound, also for somebody else's; Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(visible_payments(actor).where(Payment.id == as_uuid(key)))).one_or_none()
    if row is None:
        raise NotFound("payment")
    return PaymentView(*row)


async def any_payment(ctx: Context, actor: Actor, key: str) -> PaymentView:
    """A payment of whatever account: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await payment_view(tx, Payment.id == as_uuid(key))
