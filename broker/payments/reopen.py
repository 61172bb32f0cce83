"""Dunning that begins anew: what was paid is owed again. Called with the open transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from broker.billing.ledger import owed_on
from broker.billing.models import Invoice
from broker.events.emit import emit
from broker.kernel.context import SYSTEM
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.notices.outbox import notify
from broker.payments.delinquency import lock_account, restate, steps_of, write_steps
from broker.payments.dunning_models import Dunning, DunningState
from broker.payments.dunning_schedule import from_now


async def reopen(tx: Tx, invoice_id: UUID, at: datetime) -> None:
    """Let the dunning of an invoice that is locked begin anew, and tell it.

    An invoice of which no dates were written yet gets them by the sweep.
    """
    columns = (Invoice.account_id, Invoice.number, Invoice.currency, Invoice.month)
    bill: Any = (await tx.execute(select(*columns).where(Invoice.id == invoice_id))).one()
    await begin_anew(tx, invoice_id, bill.account_id, at)
    owed = str(Money(await owed_on(tx, invoice_id), bill.currency))
    facts = {"invoice_id": str(invoice_id), "account_id": str(bill.account_id), "number": bill.number, "owed": owed}
    await emit(tx, "invoice.owed_again", SYSTEM, at, **facts)
    told = facts | {"month": bill.month}
    await notify(tx, bill.account_id, "invoice.owed_again", told, at, key=f"invoice.owed_again {invoice_id} {at}")


async def begin_anew(tx: Tx, invoice_id: UUID, account_id: UUID, at: datetime) -> None:
    """Let all dates begin now, if there are any. Nobody's card is tried again: whoever pays does so by hand.

    Transactions: the caller's, which has the invoice locked; it takes the lock of the account.
    """
    await lock_account(tx, account_id, at)
    open_again = {"state": DunningState.OPEN, "past_due_at": at, "paused_at": None, "ended_at": None, "updated_at": at}
    ours = update(Dunning).where(Dunning.invoice_id == invoice_id).values(open_again).returning(Dunning.zone)
    zone = (await tx.execute(ours)).scalar_one_or_none()
    if zone is not None:
        await write_steps(tx, invoice_id, from_now(await steps_of(tx, invoice_id), at, zone), at)
        await restate(tx, account_id, at)
