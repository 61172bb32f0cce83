"""Asking for what a budget does not allow, and deciding about it. What is approved is good for that one operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update

from broker.addons.spending import origin_of
from broker.apps.resolve import changeable_app
from broker.billing.budget_models import BudgetRequest
from broker.billing.budgets import Place
from broker.billing.usage import Subject
from broker.catalog.queries import resolve_plan
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BudgetExceeded, Conflict, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.money import Money

GOOD_FOR: Final = timedelta(days=7)
"""How long a request waits for an answer, and an approval for its use."""


class RequestState(StrEnum):
    """What became of a request."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request. Units: minor units, of what it costs until the end of the month in which it was asked for."""

    id: UUID
    asked_by_email: str
    authorization_id: UUID | None
    app_id: UUID
    addon_id: UUID | None
    what: str
    amount_minor: int
    currency: str
    state: RequestState
    decided_at: datetime | None
    expires_at: datetime
    used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """What was refused: a plan for an app, or for an add-on of it."""

    app: str
    plan: str
    addon_id: UUID | None = None


async def ask_for(ctx: Context, actor: Actor, wish: Wish, refusal: BudgetExceeded) -> BudgetExceeded:
    """Make a request of what a budget has refused, unless there is one already; the refusal with the request.

    Transactions: one of its own, after that of the intent was undone.
    """
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await changeable_app(tx, actor, wish.app, keep=True)
        plan = await resolve_plan(tx, actor, wish.plan)
        amount = Money(refusal.fields["amount_minor"], plan.currency)
        token_id = await origin_of(tx, actor.authorization_id)
        same = (
            (BudgetRequest.authorization_id.is_not_distinct_from(token_id))
            & (BudgetRequest.app_id == app.id)
            & (BudgetRequest.addon_id.is_not_distinct_from(wish.addon_id))
            & (BudgetRequest.plan_id == plan.id)
            & (BudgetRequest.state == RequestState.PENDING)
            & (BudgetRequest.amount_minor >= amount.minor)
            & (BudgetRequest.expires_at > at)
        )
        found = await _views(tx, (BudgetRequest.account_id == app.payer_id) & same)
        request_id = found[0].id if found else new_id()
        if not found:
            values = {
                "id": request_id,
                "account_id": app.payer_id,
                "asked_by": actor.id,
                "asked_by_email": actor.email,
                "authorization_id": token_id,
                "app_id": app.id,
                "addon_id": wish.addon_id,
                "plan_id": plan.id,
                "what": f"{plan.name} on {app.name}",
                "amount_minor": amount.minor,
                "currency": amount.currency,
            }
            await _make(tx, actor, values, at)
    said = f"{refusal.message.partition(' Choose ')[0]} Approval was asked for: request {request_id}."
    return BudgetExceeded(
        f"{said} Once it is approved, repeat the same command.", request=str(request_id), **refusal.fields
    )


async def _make(tx: Tx, actor: Actor, values: Mapping[str, Any], at: datetime) -> None:
    waiting = {"state": RequestState.PENDING, "expires_at": at + GOOD_FOR, "created_at": at, "updated_at": at}
    await tx.execute(insert(BudgetRequest).values({**values, **waiting}))
    request, account = str(values["id"]), str(values["account_id"])
    await emit(tx, "budget.approval_requested", actor, at, request=request, account=account)


async def use_approval(tx: Tx, wanted: Subject, place: Place, amount: Money, at: datetime, *, changing: bool) -> bool:
    """Use up an approval of this very thing, asked for with the same token and for at least the amount, if there is one."""
    addon_id = wanted.addon_id if changing else None
    usable = (
        select(BudgetRequest.id)
        .where(
            BudgetRequest.account_id == wanted.payer_id,
            BudgetRequest.app_id == wanted.app_id,
            BudgetRequest.addon_id.is_not_distinct_from(addon_id),
            BudgetRequest.plan_id == wanted.plan_id,
            BudgetRequest.authorization_id.is_not_distinct_from(place.token_id),
            BudgetRequest.currency == amount.currency,
            BudgetRequest.amount_minor >= amount.minor,
            BudgetRequest.state == RequestState.APPROVED,
            BudgetRequest.used_at.is_(None),
            BudgetRequest.expires_at > at,
        )
        .order_by(BudgetRequest.created_at)
        .limit(1)
        .with_for_update()
    )
    used = update(BudgetRequest).where(BudgetRequest.id.in_(usable)).values(used_at=at, updated_at=at)
    return (await tx.execute(used.returning(BudgetRequest.id))).scalar() is not None


async def list_requests(ctx: Context, actor: Actor) -> list[RequestView]:
    """What the actor's account was asked for, newest first.

    Raises: Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _views(tx, BudgetRequest.account_id == actor.id)


async def get_request(ctx: Context, actor: Actor, key: str) -> RequestView:
    """One of them.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return await _one(tx, actor, key)


async def decide_request(ctx: Context, actor: Actor, key: str, state: RequestState) -> RequestView:
    """Approve or refuse a pending request. Takes a token for everything: whoever asks must not answer.

    Raises: NotFound, Forbidden; Conflict if it is not pending any more.
    """
    actor.require(Scope.GLOBAL)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        request = await _one(tx, actor, key)
        pending = (BudgetRequest.state == RequestState.PENDING) & (BudgetRequest.expires_at > at)
        decided = update(BudgetRequest).where(BudgetRequest.id == request.id, pending).returning(BudgetRequest.id)
        values = {
            "state": state,
            "decided_by": actor.by.id,
            "decided_at": at,
            "expires_at": at + GOOD_FOR,
            "updated_at": at,
        }
        if (await tx.execute(decided.values(values))).scalar() is None:
            raise Conflict(f"The request is {request.state} and can't be decided any more; it can be asked for anew.")
        await emit(tx, "budget.request_decided", actor, at, request=str(request.id), state=state.value)
        return await _one(tx, actor, key)


async def _one(tx: Tx, actor: Actor, key: str) -> RequestView:
    request_id = as_uuid(key)
    mine = (BudgetRequest.account_id == actor.id) & (BudgetRequest.id == request_id)
    found = await _views(tx, mine) if request_id else []
    if not found:
        raise NotFound("budget_request")
    return found[0]


async def _views(tx: Tx, condition: ColumnElement[bool]) -> list[RequestView]:
    columns = [getattr(BudgetRequest, name) for name in RequestView.__slots__]
    rows = await tx.execute(
        select(*columns).where(condition).order_by(BudgetRequest.created_at.desc(), BudgetRequest.id)
    )
    views = [dict(zip(RequestView.__slots__, row, strict=True)) for row in rows]
    return [RequestView(**view | {"state": RequestState(view["state"])}) for view in views]
