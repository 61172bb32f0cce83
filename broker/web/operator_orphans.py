"""The orphan ledger for operators: what may be left at providers, what it costs, trying again, closing by decision."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.addons.models import OrphanState
from broker.addons.orphans import (
    LONGEST_REASON,
    OrphanView,
    get_orphan,
    list_orphans,
    resolve_orphan,
    retry_orphan,
    sum_orphans,
)
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import Show, act, operator_page, page_number, searched, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/orphans"
_PAGE: Final = 50


@router.get(_HERE)
async def ledger(request: Request) -> Response:
    """The open ones, or those in another state."""
    return await shown(request, _ledger)


@router.get(_HERE + "/{orphan}")
async def one(request: Request, orphan: str) -> Response:
    """One of them, with everything that was tried."""
    return await shown(request, _one(orphan))


@router.post(_HERE + "/{orphan}/retry")
async def retry(request: Request, orphan: str) -> Response:
    """Try at once to delete it."""

    async def deed(ctx: Context, seen: SignedIn, _form: Form) -> str:
        await retry_orphan(ctx, seen.actor, orphan)
        return "retried"

    return await act(request, deed, _one(orphan), f"{_HERE}/{orphan}")


@router.post(_HERE + "/{orphan}/resolve")
async def resolve(request: Request, orphan: str) -> Response:
    """Close it by decision."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await resolve_orphan(ctx, seen.actor, orphan, form.one("reason"))
        return "resolved"

    return await act(request, deed, _one(orphan), f"{_HERE}/{orphan}", dangerous=True)


async def _ledger(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    state, number = searched(request, "state") or OrphanState.OPEN, page_number(request)
    ctx: Context = request.app.state.ctx
    found = await list_orphans(ctx, seen.actor, state, skip=(number - 1) * _PAGE, most=_PAGE + 1)
    sums = await sum_orphans(ctx, seen.actor, state)
    return operator_page(
        request, "operator_orphans.html", seen, fault, here=_HERE, state=state, states=list(OrphanState),
        rows=[(view, _price(view)) for view in found[:_PAGE]], number=number, more=len(found) > _PAGE,
        count=sum(each.count for each in sums), costs=[Money(each.minor, each.currency) for each in sums if each.minor],
    )  # fmt: skip


def _one(orphan: str) -> Show:
    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        view = await get_orphan(request.app.state.ctx, seen.actor, orphan)
        return operator_page(
            request, "operator_orphan.html", seen, fault, here=_HERE, orphan=view, price=_price(view),
            is_open=view.state == OrphanState.OPEN, longest=LONGEST_REASON, wrong=fault and fault.message,
        )  # fmt: skip

    return show


def _price(view: OrphanView) -> Money:
    return Money(view.price_cents, view.currency)
