"""Budgets: what is used of which, setting and removing them; and what people and programs ask for beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.accounts.authorizations import list_authorizations
from broker.addons.budget_requests import RequestState, RequestView, decide_request, list_requests
from broker.addons.budget_views import BudgetView
from broker.addons.budgets import SetBudget, list_budgets, remove_budget, set_budget
from broker.addons.queries import AddonView, list_addons
from broker.apps.queries import list_apps
from broker.billing.budgets import Policy, ScopeKind
from broker.billing.history import DEFAULT_CURRENCY
from broker.faces.amounts import minor_of
from broker.faces.errors import status_of
from broker.kernel.context import Context, Scope
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.inside import account_page, act, flash, shown_inside
from broker.web.moments import day, month_words
from broker.web.team_money import OF_TEAM, OWN, both, money_address

router = APIRouter(include_in_schema=False)
_HERE: Final = "/budgets"
_WORDS: Final = {
    Policy.NOTIFY: "You are told, and nothing else.",
    Policy.BLOCK_NEW: "What would cost more is refused.",
    Policy.SUSPEND_METERED: "What would cost more is refused, and metered use is no longer taken.",
}
_FIELDS: Final = ("scope", "limit", "currency", "policy")
_ANSWERS: Final = {
    RequestState.PENDING: ("warn", "Waits for you"),
    RequestState.APPROVED: ("good", "Approved"),
    RequestState.REFUSED: ("info", "Refused"),
}


async def overview(request: Request) -> Response:
    """The budgets, the form for one, and what was asked for."""

    async def show(seen: SignedIn) -> Response:
        return await _overview(request, seen)

    return await shown_inside(request, show)


TWINS: Final = both(_HERE, overview)
"""The API lists one's own at the same address."""


@router.post(f"{OWN}{_HERE}/set")
@router.post(f"{OF_TEAM}{_HERE}/set")
async def put(request: Request) -> Response:
    """Set a budget; the one that is there for the same is changed."""
    kept: dict[str, str] = {}

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        kept.update({name: sent.one(name) for name in _FIELDS})
        await set_budget(ctx, seen.actor, _wanted(sent))

    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        return await _overview(request, seen, fault, kept)

    return await act(request, deed, show, money_address(request, _HERE), "budget")


@router.post(OWN + _HERE + "/{budget}/remove")
@router.post(OF_TEAM + _HERE + "/{budget}/remove")
async def remove(request: Request, budget: str) -> Response:
    """Remove a budget."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await remove_budget(ctx, seen.actor, budget)

    return await act(request, deed, _overview, money_address(request, _HERE), "removed")


@router.post(OWN + "/budget-requests/{budget_request}/decide")
@router.post(OF_TEAM + "/budget-requests/{budget_request}/decide")
async def decide(request: Request, budget_request: str) -> Response:
    """Approve what was asked for, or refuse it."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        approved = sent.one("decision") == "approve"
        state = RequestState.APPROVED if approved else RequestState.REFUSED
        await decide_request(ctx, seen.actor, budget_request, state)

    return await act(request, deed, _overview, money_address(request, _HERE), "decided")


def _wanted(sent: Form) -> SetBudget:
    """What the form asks for.

    Raises: InvalidParams.
    """
    kind, _, scope = sent.one("scope").partition(":")
    try:
        wanted, policy = ScopeKind(kind), Policy(sent.one("policy"))
    except ValueError:
        raise InvalidParams("Choose one of what is on the page.") from None
    currency = sent.one("currency") or DEFAULT_CURRENCY
    return SetBudget(wanted, scope or None, minor_of(sent.one("limit"), currency, "limit"), currency, policy)


async def _overview(
    request: Request, seen: SignedIn, fault: BrokerError | None = None, sent: dict[str, str] | None = None
) -> Response:
    ctx: Context = request.app.state.ctx
    now, budgets, addons = ctx.clock.now(), await list_budgets(ctx, seen.actor), await list_addons(ctx, seen.actor)
    return account_page(
        request,
        "budgets.html",
        seen,
        200 if fault is None else status_of(type(fault)),
        here=money_address(request, _HERE),
        flash=flash(request, fault),
        fault=fault.message if fault and sent else None,
        sent=sent or {"scope": "account:", "limit": "", "currency": "", "policy": Policy.BLOCK_NEW.value},
        budgets=[_budget(each) for each in budgets],
        scopes=await _scopes(ctx, seen, addons),
        currencies=sorted({DEFAULT_CURRENCY, *(b.limit.currency for b in budgets), *(a.currency for a in addons)}),
        policies=[(policy.value, words) for policy, words in _WORDS.items()],
        asked=[_asked(each, is_over=each.expires_at <= now) for each in await list_requests(ctx, seen.actor)],
    )


def _budget(view: BudgetView) -> dict[str, Any]:
    limit = view.limit
    return {
        "id": limit.id,
        "title": view.title[0].upper() + view.title[1:],
        "month": month_words(view.month),
        "limit": Money(limit.limit_minor, limit.currency),
        "used": Money(view.used_minor, limit.currency),
        "limit_minor": limit.limit_minor,
        "used_minor": view.used_minor,
        "percent": view.used_minor * 100 // limit.limit_minor if limit.limit_minor else None,
        "policy": _WORDS[limit.policy],
    }


async def _scopes(ctx: Context, seen: SignedIn, addons: Sequence[AddonView]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a budget can be for, in groups."""
    services = sorted({(each.service.slug, each.service.name) for each in addons})
    tokens = [each for each in await list_authorizations(ctx, seen.actor) if Scope.GLOBAL not in each.scopes]
    apps = [each for each in await list_apps(ctx, seen.actor) if seen.actor.id in (each.owner_id, each.payer_id)]
    groups = [
        ("Apps", [(f"app:{each.name}", each.name) for each in apps]),
        ("Services", [(f"service:{slug}", name) for slug, name in services]),
        ("Tokens", [(f"token:{each.id}", each.description or str(each.id)) for each in tokens]),
    ]
    return [group for group in groups if group[1]]


def _asked(view: RequestView, *, is_over: bool) -> dict[str, Any]:
    colour, state = _ANSWERS[view.state]
    is_open = view.state is RequestState.PENDING and not is_over
    return {
        "id": view.id,
        "by": view.asked_by_email,
        "what": view.what,
        "amount": Money(view.amount_minor, view.currency),
        "is_open": is_open,
        "colour": colour if is_open or view.state is not RequestState.PENDING else "info",
        "state": "Used"
        if view.used_at
        else "Not answered in time"
        if is_over and view.state is RequestState.PENDING
        else state,
        "day": day(view.created_at),
        "until": day(view.expires_at),
    }
