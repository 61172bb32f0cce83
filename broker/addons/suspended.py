"""What a suspended add-on refuses, and how that is said. Suspending and resuming are `suspension.py`'s."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from broker.addons.locks import LockedAddon
from broker.addons.models import Suspension
from broker.billing.models import BillingAccount
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import BrokerError, Conflict, PaymentRequired


async def is_account_suspended(tx: Tx, account_id: UUID | None) -> bool:
    """Whether the paid add-ons of an account are not to be used, for want of payment."""
    return await _SUSPENDED.first(tx, account_id=account_id) is not None


_SUSPENDED: Final = Direct(
    select(BillingAccount.id).where(
        BillingAccount.id == bindparam("account_id", type_=BillingAccount.id.type),
        BillingAccount.suspended_at.is_not(None),
    )
)


def require_usable(name: str, suspended_for: str | None, what: str) -> None:
    """Go on only with an add-on that is not suspended; `what` is what can't be done meanwhile.

    Raises: PaymentRequired or Conflict, saying what helps.
    """
    if suspended_for is not None:
        raise refusal(name, suspended_for, what)


def refusal(name: str, suspended_for: str, what: str) -> BrokerError:
    """Why a suspended add-on refuses something, and what helps."""
    if suspended_for == Suspension.UNBILLED:
        return Conflict(f"{name} is suspended through no fault of yours, and not billed: {what} when it is back.")
    if suspended_for == Suspension.TRIAL:
        return PaymentRequired(
            f"{name} is suspended because its trial is over: {what} once you agree to pay for it, with"
            f" `broker trials:accept {name}`. Your data can be fetched until then:"
            f" `broker addons:credentials:show {name}`."
        )
    return PaymentRequired(
        f"{name} is suspended because its bill is not paid: {what} as soon as it is. What is owed, and how to pay it:"
        f" `broker billing:status`. Your data can be fetched until then: `broker addons:credentials:show {name}`."
    )


async def note_suspended(tx: Tx, addon: LockedAddon, why: Suspension, actor: Actor, at: datetime) -> None:
    """Record that it is suspended, for its users and its provider."""
    await emit(tx, "addon.suspended", actor, at, app_id=addon.app_id, addon_id=addon.id, why=why.value)


async def note_resumed(tx: Tx, addon: LockedAddon, actor: Actor, at: datetime) -> None:
    """Record that it can be used again."""
    since = None if addon.suspended_at is None else rfc3339(addon.suspended_at)
    await emit(tx, "addon.resumed", actor, at, app_id=addon.app_id, addon_id=addon.id, since=since)
