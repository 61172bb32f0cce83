"""Numbers of documents: gapless per series, because they are taken in the transaction that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy.dialects.postgresql import insert

from broker.billing.models import InvoiceCounter
from broker.kernel.db import Tx


class Series(StrEnum):
    """Kinds of documents. Each begins anew with 1 every year."""

    INVOICE = "INV"
    CREDIT_NOTE = "CN"


async def take_numbers(tx: Tx, series: Series, count: int, at: datetime) -> Sequence[str]:
    """The next numbers, such as `INV-2026-000017`. Whoever wants some too waits until this transaction has ended."""
    if not count:
        return []
    name = f"{series}-{at.year}"
    taken = insert(InvoiceCounter).values(series=name, last=count)
    statement = taken.on_conflict_do_update(
        index_elements=[InvoiceCounter.series], set_={"last": InvoiceCounter.last + taken.excluded.last}
    ).returning(InvoiceCounter.last)
    last = (await tx.execute(statement)).scalar_one()
    return [f"{name}-{number:06}" for number in range(last - count + 1, last + 1)]
