"""Money for an account rather than for an invoice: it pays what is owed longest, and what is left becomes a prepaid credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select

from broker.billing.collect import record_unassigned
from broker.billing.ledger import owed_on
from broker.billing.models import Invoice
from broker.billing.shares import oldest_first
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.money import Money
from broker.payments.receipt_models import Receipt
from broker.payments.start import TO_BE_PAID
from broker.payments.transfers import account_with, transferred

_MOST_MINOR: Final = 10**12


@dataclass(frozen=True, slots=True)
class Sent:
    """Whose money it is, how much, and what the bank calls it. Units: minor units."""

    email: str
    minor: int
    reference: str
    currency: str = "usd"


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What money paid. Units: minor units; `parts` by invoice: number, what was paid of it, what is still owed."""

    id: UUID
    account_id: UUID
    currency: str
    minor: int
    reference: str
    parts: Sequence[Sequence[Any]]
    credit_minor: int
    created_at: datetime


@run_again
async def receive(ctx: Context, actor: Actor, sent: Sent, receipt_id: UUID | None = None) -> ReceiptView:
    """Let money pay the account's invoices in that currency, the oldest first: operators only.

    Raises: NotFound, also for everybody but operators; InvalidParams.
    """
    actor.require_operator()
    now, receipt_id = ctx.clock.now(), receipt_id or new_id()
    if not 0 < sent.minor <= _MOST_MINOR:
        raise InvalidParams("amount_minor: must be a positive number of minor units, such as 1000 for 10.00.")
    async with ctx.database.transaction() as tx:
        account_id = await account_with(tx, sent.email)
        invoices = await _to_be_paid(tx, account_id, sent.currency)
        owed = [max(await owed_on(tx, invoice.id), 0) for invoice in invoices]
        paid, rest = oldest_first(owed, sent.minor)
        parts = []
        for invoice, due, minor in zip(invoices, owed, paid, strict=True):
            if minor:
                await transferred(tx, actor, invoice, minor, sent.reference, new_id(), now)
                parts.append([invoice.number, minor, due - minor])
        if rest:
            key, why = f"receipt {receipt_id}", f"received: {sent.reference}"
            await record_unassigned(tx, account_id, Money(rest, sent.currency), key, why, now, actor)
        view = ReceiptView(receipt_id, account_id, sent.currency, sent.minor, sent.reference, parts, rest, now)
        row = {name: getattr(view, name) for name in ReceiptView.__slots__}
        await tx.execute(insert(Receipt).values(row | {"actor_id": actor.id, "actor_email": actor.email}))
        told: dict[str, Any] = {"account_id": str(account_id), "amount": str(Money(sent.minor, sent.currency))}
        numbers = [number for number, _, _ in parts]
        await emit(tx, "receipt.recorded", actor, now, **told, reference=sent.reference, invoices=numbers)
    return view


async def get_receipt(ctx: Context, actor: Actor, receipt_id: UUID) -> ReceiptView:
    """What some money paid: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    columns = [getattr(Receipt, name) for name in ReceiptView.__slots__]
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(*columns).where(Receipt.id == receipt_id))).one_or_none()
    if row is None:
        raise NotFound("receipt")
    return ReceiptView(*row)


async def _to_be_paid(tx: Tx, account_id: UUID, currency: str) -> Sequence[Any]:
    """What the account owes, the oldest first, locked in that order."""
    wanted = (
        select(Invoice.id, Invoice.account_id, Invoice.currency, Invoice.number, Invoice.state)
        .where(Invoice.account_id == account_id, Invoice.currency == currency, Invoice.state.in_(TO_BE_PAID))
        .order_by(Invoice.month)
        .with_for_update()
    )
    return (await tx.execute(wanted)).all()
