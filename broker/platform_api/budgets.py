"""Budgets of the account: setting, listing, changing and removing them, their notices, and requests to exceed them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons import budget_requests, budgets
from broker.addons.budget_requests import RequestState, RequestView
from broker.addons.budget_views import BudgetView, NoticeView
from broker.billing.budgets import Policy, ScopeKind
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams
from broker.platform_api import budget_shapes, serialize, shapes
from broker.platform_api.bodies import Named, Text
from broker.platform_api.deps import Body, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(prefix="/account", tags=["budgets"], responses=REFUSED)

_Minor = Annotated[int, Field(ge=0, le=10**12)]


class ScopeBody(Body):
    """What it is for: `account`, or an `app`, a `service` or a `token` by name or id."""

    kind: Text = "account"
    id: Named | None = None
    name: Named | None = None


class SetBudgetBody(Body):
    """A budget to be set; what its scope had before is changed."""

    limit_minor: _Minor
    currency: Text = "usd"
    policy: Text = Policy.BLOCK_NEW.value
    scope: ScopeBody = ScopeBody()


class ChangeBudgetBody(Body):
    """What of a budget can be changed."""

    limit_minor: _Minor | None = None
    policy: Text | None = None


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise InvalidParams(f"policy: must be one of {', '.join(Policy)}.") from None


def _kind(text: str) -> ScopeKind:
    try:
        return ScopeKind(text)
    except ValueError:
        raise InvalidParams(f"scope.kind: must be one of {', '.join(ScopeKind)}.") from None


def _budget(view: BudgetView) -> budget_shapes.Budget:
    limit = view.limit
    return {
        "id": str(limit.id),
        "scope": {"kind": limit.kind, "id": str(limit.scope_id), "name": view.scope_name},
        "limit_minor": limit.limit_minor,
        "used_minor": view.used_minor,
        "currency": limit.currency,
        "month": view.month,
        "policy": limit.policy,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def _notice(view: NoticeView) -> budget_shapes.BudgetNotice:
    return {
        "month": view.month,
        "step": view.step,
        "used_minor": view.used_minor,
        "limit_minor": view.limit_minor,
        "currency": view.currency,
        "created_at": rfc3339(view.created_at),
    }


def _request(view: RequestView) -> budget_shapes.BudgetRequest:
    return {
        "id": str(view.id),
        "asked_by": view.asked_by_email,
        "app": str(view.app_id),
        "addon": None if view.addon_id is None else str(view.addon_id),
        "what": view.what,
        "amount_minor": view.amount_minor,
        "currency": view.currency,
        "state": view.state,
        "decided_at": serialize.maybe(view.decided_at),
        "expires_at": rfc3339(view.expires_at),
        "used_at": serialize.maybe(view.used_at),
        "created_at": rfc3339(view.created_at),
    }


@router.post(
    "/budgets", status_code=201, openapi_extra=takes(SetBudgetBody, required=True), responses=gives(shapes.Budget, 201)
)
async def set_(request: Request, actor: PayingActor) -> Answer:
    """Set a budget for the account, an app, a service or a token; the one that it has in this currency is changed."""
    body = await read(request, SetBudgetBody)
    scope = body.scope.name or body.scope.id
    wanted = budgets.SetBudget(_kind(body.scope.kind), scope, body.limit_minor, body.currency, _policy(body.policy))
    return Answer(_budget(await budgets.set_budget(face_of(request).ctx, actor, wanted)), 201)


@router.get("/budgets", responses=gives(shapes.Budget, many=True))
async def list_(request: Request, actor: PayingActor) -> Answer:
    """Every budget, with what is used of it in this month."""
    return page(request, [_budget(view) for view in await budgets.list_budgets(face_of(request).ctx, actor)])


@router.get("/budgets/{budget}", responses=gives(shapes.Budget))
async def info(request: Request, actor: PayingActor, budget: str) -> Answer:
    """One budget."""
    return Answer(_budget(await budgets.get_budget(face_of(request).ctx, actor, budget)))


@router.patch("/budgets/{budget}", openapi_extra=takes(ChangeBudgetBody), responses=gives(shapes.Budget))
async def change(request: Request, actor: PayingActor, budget: str) -> Answer:
    """Change limit or policy. A limit below what is spent keeps new cost out, and deletes nothing."""
    body = await read(request, ChangeBudgetBody)
    policy = None if body.policy is None else _policy(body.policy)
    changed = budgets.change_budget(face_of(request).ctx, actor, budget, limit_minor=body.limit_minor, policy=policy)
    return Answer(_budget(await changed))


@router.delete("/budgets/{budget}", responses=gives(shapes.Budget))
async def remove(request: Request, actor: PayingActor, budget: str) -> Answer:
    """Remove a budget."""
    return Answer(_budget(await budgets.remove_budget(face_of(request).ctx, actor, budget)))


@router.get("/budgets/{budget}/notices", responses=gives(shapes.BudgetNotice, many=True))
async def notices(request: Request, actor: PayingActor, budget: str) -> Answer:
    """What a budget has told: that 50, 80 or 100 percent are reached, once a month each."""
    return page(request, [_notice(view) for view in await budgets.list_notices(face_of(request).ctx, actor, budget)])


@router.get("/budget-requests", responses=gives(shapes.BudgetRequest, many=True))
async def requests(request: Request, actor: PayingActor) -> Answer:
    """What was asked for beyond the budgets, newest first."""
    found = await budget_requests.list_requests(face_of(request).ctx, actor)
    return page(request, [_request(view) for view in found])


@router.get("/budget-requests/{budget_request}", responses=gives(shapes.BudgetRequest))
async def request_info(request: Request, actor: PayingActor, budget_request: str) -> Answer:
    """One request: whoever asked can look for the answer here."""
    return Answer(_request(await budget_requests.get_request(face_of(request).ctx, actor, budget_request)))


@router.post("/budget-requests/{budget_request}/actions/approve", responses=gives(shapes.BudgetRequest))
async def approve(request: Request, actor: PayingActor, budget_request: str) -> Answer:
    """Allow that one operation, within a week, for at most the amount that was asked for."""
    return await _decided(request, actor, budget_request, RequestState.APPROVED)


@router.post("/budget-requests/{budget_request}/actions/refuse", responses=gives(shapes.BudgetRequest))
async def refuse(request: Request, actor: PayingActor, budget_request: str) -> Answer:
    """Refuse it."""
    return await _decided(request, actor, budget_request, RequestState.REFUSED)


async def _decided(request: Request, actor: Actor, key: str, state: RequestState) -> Answer:
    return Answer(_request(await budget_requests.decide_request(face_of(request).ctx, actor, key, state)))
