"""Which report a chain of voiding reports is about in the end. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from broker.billing.models import UsageEvent
from broker.kernel.db import Tx


async def voided_instants(tx: Tx, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[UUID, datetime]]:
    """Of the reports of these sources and ids that are there: the add-on, and when that was read which they leave or take
    away; whoever voids what voids something means the latter.
    """
    if not names:
        return {}
    columns = (UsageEvent.source, UsageEvent.addon_id, UsageEvent.at, UsageEvent.voids)
    chain = (
        select(*columns, UsageEvent.id, UsageEvent.id.label("named"))
        .where(tuple_(UsageEvent.source, UsageEvent.id).in_(sorted(names)))
        .cte("chain", recursive=True)
    )
    target = (
        select(*columns, UsageEvent.id, chain.c.named)
        .select_from(chain)
        .join(UsageEvent, (UsageEvent.source == chain.c.source) & (UsageEvent.id == chain.c.voids))
    )
    chain = chain.union(target)  # not `union_all`: what voids itself round about ends
    found = select(chain.c.source, chain.c.named, chain.c.addon_id, chain.c.at).where(chain.c.voids.is_(None))
    return {(row.source, row.named): (row.addon_id, row.at) for row in await tx.execute(found)}
