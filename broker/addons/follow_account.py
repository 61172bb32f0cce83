"""Bringing the add-ons of an account to where the account is: suspended, in use again, or gone.

When an account is where, `payments/dunning.py` decides; how add-ons are suspended is `suspension.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import cast, func, or_, select, union
from sqlalchemy.dialects.postgresql import JSONPATH

from broker.addons.destroy import begin_deprovision
from broker.addons.locks import LockedAddon
from broker.addons.models import Addon, AddonState, Suspension
from broker.addons.suspension import in_groups, resume_addons, suspend_addons
from broker.billing.models import BillingAccount, UsagePeriod
from broker.billing.timeline import Mode
from broker.catalog.manifest_meters import is_priced
from broker.catalog.models import Plan
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.payments.delinquency import exhaust

_AT_ONCE: Final = 50
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Held:
    """An add-on in use that the account pays for."""

    id: UUID
    is_free: bool
    mode: str
    suspended_for: str | None


async def follow_accounts(ctx: Context, at_once: int = _AT_ONCE) -> int:
    """Do so for the accounts whose add-ons are not where they ought to be; how many there were. Part of the sweep."""
    found, last = 0, None
    while page := await _astray(ctx, last, at_once):
        for account_id in page:
            try:
                await follow_account(ctx, account_id)
            except Exception as error:  # whatever is wrong with this one, nobody else waits for it
                _log.exception("account.not_followed", account=str(account_id), error=type(error).__name__)
        found, last = found + len(page), page[-1]
    return found


async def _astray(ctx: Context, last: UUID | None, most: int) -> Sequence[UUID]:
    """Some of those accounts, by id and after the `last` one: what cannot be done now keeps nobody else from being found."""
    each = union(_TO_SUSPEND, _TO_RESUME, _TO_DELETE).subquery().c[0]
    wanted = select(each).order_by(each).limit(most)
    async with ctx.database.transaction() as tx:
        return (await tx.execute(wanted if last is None else wanted.where(each > last))).scalars().all()


async def follow_account(ctx: Context, account_id: UUID) -> None:
    """Suspend, resume or deprovision what the account pays for, as it stands now. Repeating it is harmless.

    Transactions: several, each for the add-ons that meet on some app. Who is killed in between is followed by the sweep.
    """
    async with ctx.database.transaction() as tx:
        account = await _account(tx, account_id)
        held = await _held(tx, account_id)
    if account is None or account.suspended_at is None:
        await resume_account_addons(ctx, account_id, held)
        return
    await suspend_account_addons(ctx, account_id, held)
    await resume_addons(ctx, _unpaid(held, free=True), Suspension.UNPAID, account_id=account_id)
    if account.deleting_at is not None:
        await deprovision_account_addons(ctx, account_id)
        async with ctx.database.transaction() as tx:
            await exhaust(tx, account_id, ctx.clock.now())


async def suspend_account_addons(ctx: Context, account_id: UUID, held: Sequence[_Held] | None = None) -> int:
    """Suspend the paid add-ons of a suspended account; how many. What is free or on trial stays as it is."""
    if held is None:
        async with ctx.database.transaction() as tx:
            held = await _held(tx, account_id)
    wanted = [each.id for each in held if not each.is_free and not each.suspended_for and each.mode == Mode.PAID]
    return await suspend_addons(ctx, wanted, Suspension.UNPAID, account_id=account_id)


async def resume_account_addons(ctx: Context, account_id: UUID, held: Sequence[_Held] | None = None) -> int:
    """Bring back what was suspended for want of payment, on an account that is not suspended any more; how many."""
    if held is None:
        async with ctx.database.transaction() as tx:
            held = await _held(tx, account_id)
    return await resume_addons(ctx, _unpaid(held), Suspension.UNPAID, account_id=account_id)


def _unpaid(held: Sequence[_Held], *, free: bool = False) -> list[UUID]:
    return [each.id for each in held if each.suspended_for == Suspension.UNPAID and (each.is_free or not free)]


async def deprovision_account_addons(ctx: Context, account_id: UUID) -> int:
    """Begin to remove what is suspended for want of payment, if it is still to be removed; how many."""
    async with ctx.database.transaction() as tx:
        held = await _held(tx, account_id)

    async def act(tx: Tx, addons: Sequence[LockedAddon]) -> int:
        account = await _account(tx, account_id, keep=True)
        if account is None or account.deleting_at is None:
            return 0  # it was paid at the last moment
        theirs = [each for each in addons if each.payer_id == account_id]  # somebody else may pay for it by now
        gone = [
            each for each in theirs if each.state is AddonState.PROVISIONED and each.suspended_for == Suspension.UNPAID
        ]
        for addon in gone:
            await begin_deprovision(tx, addon, new_id(), SYSTEM, ctx.clock.now())
        return len(gone)

    return await in_groups(ctx, _unpaid(held), act)


async def _account(tx: Tx, account_id: UUID, *, keep: bool = False) -> Any:
    """Where the account is; with `keep`, nobody changes that until the transaction ends."""
    columns = select(BillingAccount.suspended_at, BillingAccount.deleting_at).where(BillingAccount.id == account_id)
    return (await tx.execute(columns.with_for_update(read=True) if keep else columns)).one_or_none()


async def _held(tx: Tx, account_id: UUID) -> list[_Held]:
    columns = (Addon.id, Addon.price_cents, Plan.meters, UsagePeriod.mode, Addon.suspended_for)
    paid = select(*columns).select_from(_IN_USE).where(*_OPEN, UsagePeriod.payer_id == account_id)
    return [
        _Held(addon_id, not price and not any(map(is_priced, meters)), mode, suspended_for)
        for addon_id, price, meters, mode, suspended_for in await tx.execute(paid.order_by(Addon.id))
    ]


_TABLES: Final[Any] = UsagePeriod.__table__
_IN_USE: Final = _TABLES.join(Addon.__table__, Addon.id == UsagePeriod.addon_id).join(
    Plan.__table__, Plan.id == Addon.plan_id
)
_OPEN: Final = (UsagePeriod.ended_at.is_(None), Addon.state == AddonState.PROVISIONED)
_PRICED: Final = (
    '$[*] ? (exists(@.tiers[*].*) || @.unit_price != "" && @.unit_price.type() == "string" || @.unit_price > 0)'
)
"""What `is_priced` says of a meter, as a path in JSON: tiers, or a price in quotes or as a number."""
MAY_COST: Final = or_(Addon.price_cents > 0, func.jsonb_path_exists(Plan.meters, cast(_PRICED, JSONPATH)))
"""Of an add-on and its plan: the contrary of `LockedAddon.is_free`."""

_TO_SUSPEND: Final = (
    select(BillingAccount.id)
    .select_from(_IN_USE.join(BillingAccount.__table__, BillingAccount.id == UsagePeriod.payer_id))
    .where(BillingAccount.suspended_at.is_not(None), *_OPEN, UsagePeriod.mode == Mode.PAID, MAY_COST)
    .where(Addon.suspended_at.is_(None))
    .distinct()
)
_TO_RESUME: Final = (
    select(UsagePeriod.payer_id)
    .select_from(_IN_USE.outerjoin(BillingAccount.__table__, BillingAccount.id == UsagePeriod.payer_id))
    .where(Addon.suspended_at.is_not(None), Addon.suspended_for == Suspension.UNPAID, *_OPEN)
    .where(or_(BillingAccount.suspended_at.is_(None), ~MAY_COST))
    .distinct()
)
_TO_DELETE: Final = select(BillingAccount.id).where(
    BillingAccount.suspended_at.is_not(None), BillingAccount.deleting_at.is_not(None)
)
