"""`budgets`, `budgets:set`, `budgets:remove`: use cases of budgets. Checking against them is `budget_check.py`'s."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.authorizations import get_authorization
from broker.addons.budget_views import BudgetView, NoticeView, budget_views, notice_views
from broker.apps.collaborators import require_owner
from broker.apps.payers import paid_app, payer_standing
from broker.billing.budget_models import Budget
from broker.billing.budgets import Policy, ScopeKind
from broker.billing.history import DEFAULT_CURRENCY
from broker.catalog.queries import visible_service
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id

_CURRENCY: Final = re.compile(r"[a-z]{3}")
_HIGHEST_MINOR: Final = 10**12


@dataclass(frozen=True, slots=True)
class SetBudget:
    """What is to be kept within which limit. `scope` is a name or id, or nothing for the whole account."""

    kind: ScopeKind
    scope: str | None
    limit_minor: int
    currency: str = DEFAULT_CURRENCY
    policy: Policy = Policy.BLOCK_NEW


async def set_budget(ctx: Context, actor: Actor, request: SetBudget) -> BudgetView:
    """Set a budget; if its scope has one in this currency already, that one is changed.

    Takes a token for everything: whoever is limited must not lift the limit.
    Raises: NotFound, Forbidden, InvalidParams.
    """
    actor.require(Scope.GLOBAL)
    _check_limit(request.limit_minor)
    if not _CURRENCY.fullmatch(request.currency):
        raise InvalidParams("currency: must be a code of three small letters, such as usd.")
    token_id = await _token(ctx, actor, request.scope) if request.kind is ScopeKind.TOKEN else None
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        scope_id = token_id or await _scope(tx, actor, request)
        budget_id = await _put(tx, actor, request, scope_id, at)
        await emit(tx, "budget.set", actor, at, budget=str(budget_id))
        return await _one(tx, actor, str(budget_id), at)


def _check_limit(limit_minor: int) -> None:
    if not 0 <= limit_minor <= _HIGHEST_MINOR:
        raise InvalidParams(f"limit_minor: must be from 0 to {_HIGHEST_MINOR}.")


async def _token(ctx: Context, actor: Actor, key: str | None) -> UUID:
    token = await get_authorization(ctx, actor, key or "")
    if Scope.GLOBAL in token.scopes:
        raise InvalidParams(
            "This token has the scope `global`: it could change its own budget or make further tokens."
            " Give a budget to one with the scope `write-protected`."
        )
    return token.id


async def _scope(tx: Tx, actor: Actor, request: SetBudget) -> UUID:
    if request.kind is ScopeKind.ACCOUNT:
        return actor.id
    if not request.scope:
        raise InvalidParams(f"scope: which {request.kind}? Name it.")
    if request.kind is ScopeKind.SERVICE:
        return (await visible_service(tx, actor, request.scope)).id
    app = await paid_app(tx, actor, request.scope)
    if app.payer_id != actor.id:
        require_owner(actor, app, "set budgets for it")
        payer = await payer_standing(tx, app.id)
        raise Forbidden(f"{payer} pays for {app.name}: only they can set budgets for it.")
    return app.id


async def _put(tx: Tx, actor: Actor, request: SetBudget, scope_id: UUID, at: datetime) -> UUID:
    changing = {"limit_minor": request.limit_minor, "policy": request.policy, "next_look_at": at, "updated_at": at}
    values = changing | {
        "id": new_id(),
        "account_id": actor.id,
        "scope_kind": request.kind,
        "scope_id": scope_id,
        "currency": request.currency,
        "created_by": actor.by.id,
        "created_at": at,
    }
    put = insert(Budget).values(values).on_conflict_do_update(constraint="uq_budgets_scope", set_=changing)
    budget_id: UUID = (await tx.execute(put.returning(Budget.id))).scalar_one()
    return budget_id


async def list_budgets(ctx: Context, actor: Actor) -> list[BudgetView]:
    """The budgets of the actor's account, each with what is used of it.

    Raises: Forbidden.
    """
    _require_reader(actor)
    async with ctx.database.transaction() as tx:
        return await budget_views(tx, actor.id, ctx.clock.now())


async def get_budget(ctx: Context, actor: Actor, key: str) -> BudgetView:
    """One of them.

    Raises: NotFound, Forbidden.
    """
    _require_reader(actor)
    async with ctx.database.transaction() as tx:
        return await _one(tx, actor, key, ctx.clock.now())


async def list_notices(ctx: Context, actor: Actor, key: str) -> list[NoticeView]:
    """The notices that a budget gave, newest first.

    Raises: NotFound, Forbidden.
    """
    _require_reader(actor)
    async with ctx.database.transaction() as tx:
        return await notice_views(tx, (await _one(tx, actor, key, ctx.clock.now())).limit)


async def change_budget(
    ctx: Context, actor: Actor, key: str, *, limit_minor: int | None = None, policy: Policy | None = None
) -> BudgetView:
    """Change limit or policy. A limit below what is spent already keeps new cost out, and deletes nothing.

    Raises: NotFound, Forbidden, InvalidParams.
    """
    actor.require(Scope.GLOBAL)
    if limit_minor is not None:
        _check_limit(limit_minor)
    at = ctx.clock.now()
    wanted: dict[str, Any] = {"limit_minor": limit_minor, "policy": policy}
    changes = {name: value for name, value in wanted.items() if value is not None}
    async with ctx.database.transaction() as tx:
        budget_id = (await _one(tx, actor, key, at)).limit.id
        changed = update(Budget).where(Budget.id == budget_id)
        await tx.execute(changed.values(changes | {"next_look_at": at, "updated_at": at}))
        await emit(tx, "budget.set", actor, at, budget=str(budget_id))
        return await _one(tx, actor, key, at)


async def remove_budget(ctx: Context, actor: Actor, key: str) -> BudgetView:
    """Remove a budget with its notices; how it was.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.GLOBAL)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        removed = await _one(tx, actor, key, at)
        await tx.execute(delete(Budget).where(Budget.id == removed.limit.id))
        await emit(tx, "budget.removed", actor, at, budget=str(removed.limit.id))
        return removed


def _require_reader(actor: Actor) -> None:
    actor.require(Scope.READ)
    actor.require_every_app()


async def _one(tx: Tx, actor: Actor, key: str, at: datetime) -> BudgetView:
    budget_id = as_uuid(key)
    found = await budget_views(tx, actor.id, at, budget_id) if budget_id else []
    if not found:
        raise NotFound("budget")
    return found[0]
