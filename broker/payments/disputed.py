"""How much of an invoice is disputed, and so not collected for the time being. Called with the open transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from broker.billing.invoices import credited
from broker.billing.models import InvoiceLine
from broker.kernel.db import Tx
from broker.payments.dunning_models import InvoiceDispute


async def disputed_on(tx: Tx, invoice_id: UUID, owed_minor: int) -> int:
    """What of the amount that is owed is disputed: all of it, or the lines in question with their tax.

    Units: minor units.
    """
    open_ones = select(InvoiceDispute.line_id).where(
        InvoiceDispute.invoice_id == invoice_id, InvoiceDispute.ended_at.is_(None)
    )
    lines = list((await tx.execute(open_ones)).scalars())
    if not lines:
        return 0
    if None in lines:
        return owed_minor
    taken_back = await credited(tx, invoice_id)
    columns = (InvoiceLine.minor, InvoiceLine.discount_minor, InvoiceLine.promo_minor, InvoiceLine.tax_minor)
    total = 0
    for line_id, minor, discount, promo, tax in await tx.execute(
        select(InvoiceLine.id, *columns).where(InvoiceLine.id.in_(lines))
    ):
        total += minor - discount - promo + tax - sum(taken_back.get(line_id, (0, 0)))
    return min(max(total, 0), owed_minor)
