"""Closing by hand, as operators do: in parts, each of them short, until there is nothing left that is due."""

from __future__ import annotations

from dataclasses import dataclass

from broker.billing.accrual import asked_month
from broker.billing.close import GRACE, NameThem, close_due
from broker.billing.invoices import issue_finalized
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict


@dataclass(frozen=True, slots=True)
class ClosedNow:
    """What one part did: for how many accounts, how many invoices were handed out, and whether more is left."""

    month: str | None
    accounts: int
    issued: int
    more: bool


async def close_now(ctx: Context, actor: Actor, name_them: NameThem, month: str | None = None) -> ClosedNow:
    """Do a part of what the sweep would do by itself; `month` only makes sure that it is one that can be closed.

    Raises: InvalidParams; Conflict for a month for which usage may still arrive; NotFound for everybody but operators.
    """
    actor.require_operator()
    now = ctx.clock.now()
    if month is not None:
        due_at = asked_month(month, "UTC", now).end + GRACE
        if now < due_at:
            raise Conflict(
                f"{month} can be closed from {rfc3339(due_at)} on: until then reports of usage are taken in."
            )
    closed = await close_due(ctx, name_them, wait=True)
    issued = await issue_finalized(ctx)
    return ClosedNow(closed.month, closed.accounts, issued, closed.more or issued > 0)
