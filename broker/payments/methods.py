"""What an account pays with: the list, the default one, and the end of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.billing.models import Invoice, InvoiceState, UsagePeriod
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer
from broker.payments.models import OPEN_SETUPS, MethodState, Payment, PaymentMethod, PaymentSetup, SetupState
from broker.payments.ports import Gateway, MethodFacts, Unknown

FORGET: Final = "broker.forget_method"
"""Name of the job that removes a payment method at its gateway."""
_AT_ONCE: Final = 100
_OWED: Final = (InvoiceState.FINALIZED, InvoiceState.ISSUED, InvoiceState.PAST_DUE)


@dataclass(frozen=True, slots=True)
class MethodView:
    """A payment method, as its owner sees it."""

    id: UUID
    gateway: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    created_at: datetime


_COLUMNS: Final = [getattr(PaymentMethod, name) for name in MethodView.__slots__]


def visible_methods(actor: Actor) -> Select[Any]:
    """Those of the actor's account that can be paid with."""
    mine = PaymentMethod.account_id == actor.id, PaymentMethod.state == MethodState.ACTIVE
    return select(*_COLUMNS).where(*mine).order_by(PaymentMethod.created_at, PaymentMethod.id)


async def list_methods(ctx: Context, actor: Actor) -> list[MethodView]:
    """What the actor pays with, the oldest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return [MethodView(*row) for row in await tx.execute(visible_methods(actor))]


async def make_default(ctx: Context, actor: Actor, key: str) -> MethodView:
    """Pay with this one from now on.

    Raises: NotFound, Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        await _lock(tx, actor.id)
        method = await _found(tx, actor, key)
        await _choose(tx, actor.id, method.id, ctx.clock.now())
        return await _found(tx, actor, key)


async def remove_method(ctx: Context, actor: Actor, key: str) -> MethodView:
    """Pay with it no more; the newest of the others becomes the default. The gateway forgets it, too.

    Raises: NotFound, Forbidden; Conflict for the last one while paid plans or unpaid invoices need it.
    """
    actor.require_own_token()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await _lock(tx, actor.id)
        method = await _found(tx, actor, key)
        others = [MethodView(*row) for row in await tx.execute(visible_methods(actor)) if row.id != method.id]
        if not others and await _is_needed(tx, actor.id):
            raise Conflict(
                "It is the only payment method, and paid add-ons or unpaid invoices need one: add another before."
            )
        gone = update(PaymentMethod).where(PaymentMethod.id == method.id)
        await tx.execute(gone.values(state=MethodState.REMOVED, is_default=False, updated_at=now))
        if method.is_default and others:
            await _choose(tx, actor.id, others[-1].id, now)
        await emit(tx, "payment_method.removed", actor, now, **_facts(actor.id, method))
        await defer(tx, FORGET, {"method_id": str(method.id)})
    return method


async def keep_method(tx: Tx, ctx: Context, account_id: UUID, gateway: str, facts: MethodFacts) -> UUID:
    """Keep what its user has added, as the default from now on. What is known already stays one."""
    now = ctx.clock.now()
    await _lock(tx, account_id)
    row = {name: getattr(facts, name) for name in MethodFacts.__slots__}
    row |= {"id": new_id(), "account_id": account_id, "gateway": gateway, "state": MethodState.ACTIVE}
    added = insert(PaymentMethod).values(row | {"created_at": now, "updated_at": now})
    added = added.on_conflict_do_nothing(index_elements=["gateway", "reference"])
    is_new = (await tx.execute(added.returning(PaymentMethod.id))).scalar_one_or_none() is not None
    wanted = select(*_COLUMNS).where(PaymentMethod.gateway == gateway, PaymentMethod.reference == facts.reference)
    method = MethodView(*(await tx.execute(wanted)).one())
    if is_new:
        await _choose(tx, account_id, method.id, now)
        await emit(tx, "payment_method.added", SYSTEM, now, **_facts(account_id, method))
    return method.id


async def drop_methods(tx: Tx, actor: Actor, account_id: UUID, now: datetime) -> None:
    """Keep no payment method of an account that ends, and take none that is being added. The gateway forgets them, too."""
    open_pages = update(PaymentSetup).where(PaymentSetup.account_id == account_id, PaymentSetup.state.in_(OPEN_SETUPS))
    await tx.execute(open_pages.values(state=SetupState.OVER, next_at=None, updated_at=now))
    await _lock(tx, account_id)  # after the pages, as whoever keeps what was added on one
    kept = update(PaymentMethod).where(
        PaymentMethod.account_id == account_id, PaymentMethod.state == MethodState.ACTIVE
    )
    gone = kept.values(state=MethodState.REMOVED, is_default=False, updated_at=now).returning(PaymentMethod.id)
    for method_id in (await tx.execute(gone)).scalars().all():
        await emit(tx, "payment_method.removed", actor, now, account_id=str(account_id), method_id=str(method_id))
        await defer(tx, FORGET, {"method_id": str(method_id)})


async def forget(ctx: Context, gateway: Gateway, method_id: UUID) -> None:
    """Let the gateway remove what was removed here. May be repeated."""
    waiting = PaymentMethod.id == method_id, PaymentMethod.state == MethodState.REMOVED
    known = select(PaymentMethod.gateway, PaymentMethod.reference).where(*waiting, PaymentMethod.forgotten_at.is_(None))
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(known)).one_or_none()
    if row is None or row.gateway != gateway.name:
        return
    if isinstance(await gateway.forget_method(row.reference), Unknown):
        return  # the sweep comes back to it
    async with ctx.database.transaction() as tx:
        await tx.execute(update(PaymentMethod).where(*waiting).values(forgotten_at=ctx.clock.now()))


async def enqueue_removed(ctx: Context, gateway: str) -> int:
    """Defer a job for each payment method that the gateway still knows; the number of them. Part of the sweep."""
    removed = PaymentMethod.state == MethodState.REMOVED, PaymentMethod.forgotten_at.is_(None)
    left = select(PaymentMethod.id).where(*removed, PaymentMethod.gateway == gateway).limit(_AT_ONCE)
    async with ctx.database.transaction() as tx:
        ids = (await tx.execute(left)).scalars().all()
        for method_id in ids:
            await defer(tx, FORGET, {"method_id": str(method_id)})
    return len(ids)


async def _found(tx: Tx, actor: Actor, key: str) -> MethodView:
    row = (await tx.execute(visible_methods(actor).where(PaymentMethod.id == as_uuid(key)))).one_or_none()
    if row is None:
        raise NotFound("payment_method")
    return MethodView(*row)


async def _lock(tx: Tx, account_id: UUID) -> None:
    """One change of an account's payment methods at a time."""
    key = func.hashtextextended(f"payment methods {account_id}", 0)
    await tx.execute(select(func.pg_advisory_xact_lock(key)))


async def _choose(tx: Tx, account_id: UUID, method_id: UUID, now: datetime) -> None:
    before = update(PaymentMethod).where(PaymentMethod.account_id == account_id, PaymentMethod.is_default)
    await tx.execute(before.values(is_default=False, updated_at=now))
    chosen = update(PaymentMethod).where(PaymentMethod.id == method_id)
    await tx.execute(chosen.values(is_default=True, updated_at=now))


async def _is_needed(tx: Tx, account_id: UUID) -> bool:
    """Whether something runs that costs, is owed, or is being paid."""
    costs = or_(UsagePeriod.price_cents > 0, UsagePeriod.terms != {})
    running = exists().where(
        UsagePeriod.payer_id == account_id, UsagePeriod.ended_at.is_(None), UsagePeriod.mode == "paid", costs
    )
    owed = exists().where(Invoice.account_id == account_id, Invoice.state.in_(_OWED))
    paying = exists().where(Payment.account_id == account_id, Payment.finished_at.is_(None))
    return bool((await tx.execute(select(or_(running, owed, paying)))).scalar())


def _facts(account_id: UUID, method: MethodView) -> dict[str, Any]:
    return {"account_id": str(account_id), "method_id": str(method.id), "brand": method.brand, "last4": method.last4}
