"""What is paid past every gateway, such as by bank transfer: recorded by operators, also in parts. And who may pay so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.accounts.models import User
from broker.billing.collect import record_collected
from broker.billing.ledger import owed_on
from broker.billing.models import BillingAccount, Invoice
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.money import Money
from broker.notices.outbox import notify
from broker.payments.delinquency import look_again
from broker.payments.models import Payment, PaymentState
from broker.payments.settle import collection_key
from broker.payments.start import TO_BE_PAID
from broker.payments.views import PaymentView, payment_view

TRANSFER: Final = "transfer"
"""What such payments are marked with, instead of a gateway."""


@run_again
async def record_transfer(
    ctx: Context, actor: Actor, key: str, minor: int, reference: str, payment_id: UUID | None = None
) -> PaymentView:
    """Record that an invoice, or a part of it, was paid: operators only.

    Units: minor units of the invoice's currency.
    Raises: NotFound, also for everybody but operators; Conflict for what is not to be paid; InvalidParams for more than is.
    """
    actor.require_operator()
    now, payment_id = ctx.clock.now(), payment_id or new_id()
    async with ctx.database.transaction() as tx:
        which = Invoice.id == as_uuid(key) if as_uuid(key) else Invoice.number == key
        wanted = select(Invoice.id, Invoice.account_id, Invoice.currency, Invoice.number, Invoice.state).where(which)
        invoice = (await tx.execute(wanted.with_for_update())).one_or_none()
        if invoice is None:
            raise NotFound("invoice")
        owed = await owed_on(tx, invoice.id) if invoice.state in TO_BE_PAID else 0
        if owed <= 0:
            raise Conflict("There is nothing to be paid of this invoice.")
        if not 0 < minor <= owed:
            raise InvalidParams(f"amount_minor: {Money(owed, invoice.currency)} is to be paid of this invoice.")
        await transferred(tx, actor, invoice, minor, reference, payment_id, now)
        return await payment_view(tx, Payment.id == payment_id)


async def transferred(
    tx: Tx, actor: Actor, invoice: Any, minor: int, reference: str, payment_id: UUID, now: datetime
) -> None:
    """Write down a payment past the gateway of an invoice that is locked, of no more than it owes; it counts at once."""
    last = select(func.coalesce(func.max(Payment.attempt), 0)).where(Payment.invoice_id == invoice.id)
    row = {
        "id": payment_id,
        "invoice_id": invoice.id,
        "account_id": invoice.account_id,
        "gateway": TRANSFER,
        "attempt": (await tx.execute(last)).scalar_one() + 1,
        "minor": minor,
        "currency": invoice.currency,
        "state": PaymentState.SUCCEEDED,
        "by_hand": True,
        "gateway_reference": reference,
        "collected_minor": minor,
        "actor_id": actor.id,
        "actor_email": actor.email,
    }
    await tx.execute(insert(Payment).values(row | dict.fromkeys(("created_at", "updated_at", "finished_at"), now)))
    left = await record_collected(tx, invoice.id, minor, collection_key(payment_id), now)
    await look_again(tx, invoice.account_id, now)
    facts: dict[str, Any] = {
        "payment_id": str(payment_id),
        "invoice_id": str(invoice.id),
        "account_id": str(invoice.account_id),
    }
    facts |= {"number": invoice.number, "amount": str(Money(minor, invoice.currency))}
    facts |= {"attempt": row["attempt"], "left": str(Money(left, invoice.currency))}
    await emit(tx, "payment.succeeded", actor, now, **facts)
    await notify(tx, invoice.account_id, "payment.received", facts, now, key=f"payment.received {payment_id}")


async def verify_account(ctx: Context, actor: Actor, email: str, *, exempt: bool = True) -> UUID:
    """Let an account have paid plans without a payment method, or no longer: operators only; the account's id.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        account_id = await account_with(tx, email)
        since = now if exempt else None
        made = upsert(BillingAccount).values(id=account_id, verified_at=since, created_at=now, updated_at=now)
        kept = func.coalesce(BillingAccount.verified_at, now) if exempt else None
        change = {"verified_at": kept, "updated_at": now}
        await tx.execute(made.on_conflict_do_update(index_elements=[BillingAccount.id], set_=change))
        await emit(tx, "account.exempted", actor, now, account_id=str(account_id), exempt=exempt)
    return account_id


async def account_with(tx: Tx, email: str) -> UUID:
    """The account with this address; who may ask was seen to before.

    Raises: NotFound.
    """
    known = select(User.id).where(func.lower(User.email) == email.lower())
    account_id = (await tx.execute(known)).scalar_one_or_none()
    if account_id is None:
        raise NotFound("account")
    return account_id
