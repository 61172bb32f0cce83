"""What the gateway knows accounts by. An installation that changes its gateway begins anew with each account."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.billing.models import BillingAccount
from broker.kernel.context import Context
from broker.payments.ports import CustomerCall, CustomerMade, Gateway, Unknown


def reference_of(stored: str | None, gateway: str) -> str | None:
    """The customer's reference at this gateway, from what is stored: `gateway:reference`."""
    name, _, reference = (stored or "").partition(":")
    return reference if name == gateway and reference else None


async def known_customer(ctx: Context, gateway: Gateway, account_id: UUID) -> CustomerMade | Unknown:
    """The account as the gateway knows it; made known now, if it is not. Transactions: two short ones around the call."""
    wanted = (
        select(User.email, BillingAccount.gateway_customer)
        .outerjoin(BillingAccount, BillingAccount.id == User.id)
        .where(User.id == account_id)
    )
    async with ctx.database.transaction() as tx:
        email, stored = (await tx.execute(wanted)).one()
    if (known := reference_of(stored, gateway.name)) is not None:
        return CustomerMade(known)
    made = await gateway.make_customer(CustomerCall(account_id, email))
    if isinstance(made, Unknown):
        return made
    now = ctx.clock.now()
    row = {"id": account_id, "gateway_customer": f"{gateway.name}:{made.reference}"}
    kept = insert(BillingAccount).values(row | {"created_at": now, "updated_at": now})
    update = {"gateway_customer": row["gateway_customer"], "updated_at": now}
    async with ctx.database.transaction() as tx:
        await tx.execute(kept.on_conflict_do_update(index_elements=["id"], set_=update))
    return made
