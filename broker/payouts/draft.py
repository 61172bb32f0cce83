"""Drafting payouts: one per service and currency a day, of what is available by then. May be interrupted at any place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, select

from broker.billing.ledger import LedgerAccount, Posting, post
from broker.billing.share_models import PartnerShare
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.money import Money
from broker.payouts.balances import BalanceView, balances
from broker.payouts.models import Payout, PayoutState
from broker.payouts.payouts import PayoutView, owners_of


@dataclass(frozen=True, slots=True)
class Drafted:
    """What one run did: which payouts it drafted, and who has too little, is held, or owes."""

    payouts: Sequence[PayoutView]
    left: Sequence[BalanceView]
    unowned: Sequence[BalanceView] = ()
    """What could be paid out if the service had an owner."""


async def draft_payouts(ctx: Context, actor: Actor) -> Drafted:
    """Draft what can be paid out now: operators only. Again on the same day, it finds what is left.

    Transactions: one for each payout, so that whoever is interrupted goes on.
    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        found = await balances(tx, ctx.rules, now)
        unowned = [each for each in found if each.payable_minor and not await owners_of(tx, each.service)]
    made, left = [], []
    for each in found:
        if each in unowned:
            continue
        payout = await _draft(ctx, actor, each, now) if each.payable_minor else None
        if payout is not None:
            made.append(payout)
        elif each.balance_minor:
            left.append(each)
    return Drafted(made, left, unowned)


async def _draft(ctx: Context, actor: Actor, seen: BalanceView, now: datetime) -> PayoutView | None:
    day = f"{now:%Y-%m-%d}"
    async with ctx.database.transaction() as tx:
        await _take_turn(tx, seen)
        this = and_(PartnerShare.service == seen.service, PartnerShare.currency == seen.currency)
        (balance,) = await balances(tx, ctx.rules, now, this)
        if not balance.payable_minor or await _has_one(tx, seen, day):
            return None
        until = now - ctx.rules.payout_hold
        payout = PayoutView(
            new_id(), seen.service, seen.currency, day, balance.payable_minor, until, PayoutState.DRAFT, "", "", now,
            None, None,
        )  # fmt: skip
        await tx.execute(insert(Payout).values({name: getattr(payout, name) for name in PayoutView.__slots__}))
        await move_money(tx, payout, "payout", (LedgerAccount.PARTNERS, LedgerAccount.PAYOUTS), now)
        amount = str(Money(payout.minor, payout.currency))
        await emit(tx, "payout.drafted", actor, now, payout=str(payout.id), service=payout.service, amount=amount)
    return payout


async def _take_turn(tx: Tx, seen: BalanceView) -> None:
    name = f"broker.payouts {seen.service} {seen.currency}"
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


async def _has_one(tx: Tx, seen: BalanceView, day: str) -> bool:
    theirs = (Payout.service == seen.service, Payout.currency == seen.currency, Payout.day == day)
    there = select(Payout.id).where(*theirs, Payout.state != PayoutState.FAILED).limit(1)
    return (await tx.execute(there)).first() is not None


async def move_money(
    tx: Tx, payout: PayoutView, kind: str, way: tuple[LedgerAccount, LedgerAccount], at: datetime
) -> None:
    """Post what a step of a payout moves, from one account of the ledger to another."""
    source, target = way
    service = {LedgerAccount.CASH: ""}
    amounts = {
        (source, service.get(source, payout.service)): payout.minor,
        (target, service.get(target, payout.service)): -payout.minor,
    }
    await post(tx, [Posting(f"{kind} {payout.id}", kind, None, payout.currency, at, amounts)])
