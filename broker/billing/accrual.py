"""What a month has cost an account so far, by the same function that closes it. Reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from broker.billing.history import account_of, history_of
from broker.billing.months import Month, month_at, month_of
from broker.billing.pricing import Statement
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Accrual:
    """A month so far in one currency, and what it comes to at its end if nothing changes."""

    now: Statement
    forecast: Statement
    at: datetime


async def accrued(ctx: Context, actor: Actor, month: str | None = None) -> tuple[Accrual, ...]:
    """What the actor's account owes for a month such as `2026-11`, the present one if none is given.

    Raises: InvalidParams; Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        return await accrual_of(tx, actor.id, month, at)


async def accrual_of(tx: Tx, payer_id: UUID, month: str | None, at: datetime) -> tuple[Accrual, ...]:
    """The same for any account, in the caller's transaction: one per currency, by its code, and at least one."""
    terms, zone = await account_of(tx, payer_id)
    history = await history_of(tx, terms, asked_month(month, zone, at), ends=[at])
    end = max(at, history.month.end)
    return tuple(
        Accrual(history.statement(currency, at=at), history.statement(currency, at=end), at)
        for currency in history.currencies
    )


def asked_month(text: str | None, zone: str, at: datetime) -> Month:
    """The month of a text such as `2026-11`, the present one if there is none.

    Raises: InvalidParams.
    """
    if text is None:
        return month_of(at, zone)
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidParams("month: must be a month such as 2026-11.")
    return month_at(int(found[1]), int(found[2]), zone)
