"""The way of a payout after it was drafted: approved, paid, or failed. Nobody here moves real money: a bank does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from broker.billing.ledger import LedgerAccount
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict
from broker.kernel.ids import as_uuid
from broker.kernel.money import Money
from broker.notices.outbox import notify
from broker.payouts.draft import move_money
from broker.payouts.models import PAYOUT_TRANSITIONS, Payout, PayoutState
from broker.payouts.payouts import PayoutView, get_payout, owners_of


async def approve_payouts(ctx: Context, actor: Actor, keys: Sequence[str] = ()) -> Sequence[PayoutView]:
    """Let drafts be paid, all of them if none is named: operators only.

    Raises: NotFound, also for everybody but operators; Conflict for one that is no draft.
    """
    actor.require_operator()
    now = ctx.clock.now()
    drafts = select(Payout.id).where(Payout.state == PayoutState.DRAFT).order_by(Payout.id)
    async with ctx.database.transaction() as tx:
        ids = sorted({as_uuid(key) for key in keys}, key=str) if keys else (await tx.execute(drafts)).scalars().all()
        return [
            await _moved(tx, await get_payout(tx, each), PayoutState.APPROVED, now, approved_at=now) for each in ids
        ]


async def mark_paid(ctx: Context, actor: Actor, key: str, reference: str = "") -> PayoutView:
    """Say that an approved payout was transferred, under the bank's reference: operators only. Said again, it changes nothing.

    Raises: NotFound, also for everybody but operators; Conflict.
    """
    actor.require_operator()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        payout = await get_payout(tx, as_uuid(key))
        if payout.state == PayoutState.PAID and payout.reference == reference:
            return payout
        paid = await _moved(tx, payout, PayoutState.PAID, now, reference=reference, finished_at=now)
        await move_money(tx, paid, "payout paid", (LedgerAccount.PAYOUTS, LedgerAccount.CASH), now)
        told = _told(paid) | {"reference": reference}
        await emit(tx, "payout.made", actor, now, **told)
        for owner in await owners_of(tx, paid.service):
            await notify(tx, owner, "payout.made", told, now, key=f"payout.made {paid.id} {owner}")
    return paid


async def fail_payout(ctx: Context, actor: Actor, key: str, reason: str) -> PayoutView:
    """Take a payout back, also one that came back from the bank: its amount is in the balance again. Operators only.

    Raises: NotFound, also for everybody but operators; Conflict for one that failed before.
    """
    actor.require_operator()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        payout = await get_payout(tx, as_uuid(key))
        failed = await _moved(tx, payout, PayoutState.FAILED, now, reason=reason, finished_at=now)
        source = LedgerAccount.CASH if payout.state == PayoutState.PAID else LedgerAccount.PAYOUTS
        await move_money(tx, failed, "payout failed", (source, LedgerAccount.PARTNERS), now)
        told = _told(failed) | {"reason": reason}
        await emit(tx, "payout.failed", actor, now, **told)
        for owner in await owners_of(tx, failed.service) if payout.state == PayoutState.PAID else ():
            await notify(tx, owner, "payout.failed", told, now, key=f"payout.failed {failed.id} {owner}")
    return failed


async def _moved(tx: Tx, payout: PayoutView, to: PayoutState, at: datetime, **values: Any) -> PayoutView:
    if to not in PAYOUT_TRANSITIONS[PayoutState(payout.state)]:
        raise Conflict(f"Payout {payout.id} is {payout.state}: it can't become {to} any more, or not yet.")
    await tx.execute(update(Payout).where(Payout.id == payout.id).values(state=to, **values))
    return replace(payout, state=to, **values)


def _told(payout: PayoutView) -> dict[str, Any]:
    amount = str(Money(payout.minor, payout.currency))
    return {"payout": str(payout.id), "service": payout.service, "amount": amount}
