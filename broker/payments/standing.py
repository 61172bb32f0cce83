"""How an account stands with its payments: whether it may have paid plans. Called with the open transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, exists, literal, or_, select

from broker.accounts.models import User
from broker.billing.models import BillingAccount
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import Conflict, Unverified
from broker.payments.models import MethodState, PaymentMethod


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one account. The dates are null while nothing is overdue."""

    is_verified: bool
    delinquent_at: datetime | None = None
    suspended_at: datetime | None = None
    suspends_at: datetime | None = None
    deletes_at: datetime | None = None


_ACCOUNT: Final = bindparam("account_id", type_=BillingAccount.id.type)
_ACTIVE: Final = exists().where(PaymentMethod.account_id == _ACCOUNT, PaymentMethod.state == MethodState.ACTIVE)
_EXEMPT: Final = exists().where(BillingAccount.id == _ACCOUNT, BillingAccount.verified_at.is_not(None))
_VERIFIED: Final = Direct(select(literal(1).label("yes")).where(or_(_ACTIVE, _EXEMPT)))
_CURRENCY: Final = Direct(select(BillingAccount.currency).where(BillingAccount.id == _ACCOUNT))


async def standing_of(tx: Tx, account_id: UUID) -> Standing:
    """How the account stands now."""
    columns = (
        BillingAccount.delinquent_at,
        BillingAccount.suspended_at,
        BillingAccount.suspends_at,
        BillingAccount.deletes_at,
    )
    row = (await tx.execute(select(*columns).where(BillingAccount.id == account_id))).one_or_none()
    return Standing(await is_verified(tx, account_id), *(row or ()))


async def get_standing(ctx: Context, account_id: UUID) -> Standing:
    """How the account stands, for whoever may see the account. Where nothing is paid through us, everybody is verified."""
    async with ctx.database.transaction() as tx:
        found = await standing_of(tx, account_id)
    return found if ctx.rules.paid_plans_need_verification else replace(found, is_verified=True)


async def is_verified(tx: Tx, account_id: UUID) -> bool:
    """Whether there is an active payment method, or operators do without one."""
    return await _VERIFIED.first(tx, account_id=account_id) is not None


async def require_verified(tx: Tx, ctx: Context, account_id: UUID) -> None:
    """Go on only if the account may have paid plans: where payments are set up, with a payment method only.

    Raises: Unverified, saying where to add one.
    """
    if ctx.rules.paid_plans_need_verification and not await is_verified(tx, account_id):
        team = await for_team(tx, account_id)
        page = f"{ctx.rules.public_url}{payment_page(account_id, is_team=bool(team))}"
        raise Unverified(
            f"Paid plans need a payment method. Add one with `broker payment-methods:add{team}`, or at {page}, and try again."
        )


async def require_currency(tx: Tx, account_id: UUID, *currencies: str) -> None:
    """Go on only if the account can be billed in these currencies: any, until its first invoice has fixed its own.

    Raises: Conflict.
    """
    row = await _CURRENCY.first(tx, account_id=account_id)
    fixed = None if row is None else row.currency
    other = next((each for each in currencies if fixed not in (None, each)), None)
    if other is not None:
        raise Conflict(
            f"This is priced in {other.upper()}, and the account that pays is billed in {str(fixed).upper()} since its first"
            f" invoice: nothing is converted. Choose what is priced in {str(fixed).upper()}."
        )


async def for_team(tx: Tx, account_id: UUID) -> str:
    """What to add to a command about money so that it is about this account: ` --team NAME`, if it is a team's."""
    name = (await tx.execute(select(User.team_name).where(User.id == account_id))).scalar()
    return f" --team {name}" if name else ""


def payment_page(account_id: UUID, *, is_team: bool) -> str:
    """Where the account's payments are on this server. A team is named by its id: it may be called something else by then."""
    return f"/teams/{account_id}/payment" if is_team else "/account/payment"
