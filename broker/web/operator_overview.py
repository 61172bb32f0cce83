"""The operators' first page: what needs somebody, and the ways to where it is dealt with."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.addons.attention import look_over
from broker.addons.health import list_health
from broker.addons.operations import LATE, OFTEN, STATES, UNFINISHED, every_operation
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.payments.unsettled import list_unsettled
from broker.web.operating import operator_page, page_number, searched, shown

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50


@router.get("/operator")
async def overview(request: Request) -> Response:
    """What needs somebody."""
    return await shown(request, _overview)


@router.get("/operator/operations")
async def operations(request: Request) -> Response:
    """Operations of all add-ons."""
    return await shown(request, _operations)


@router.get("/operator/services")
async def services(request: Request) -> Response:
    """How providers answer."""
    return await shown(request, _services)


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    ctx = request.app.state.ctx
    found = await look_over(ctx, seen.actor)
    overdue, unsettled = found.chain.is_overdue(ctx.clock.now()), len(await list_unsettled(ctx, seen.actor))
    return operator_page(
        request, "operator.html", seen, fault, here="/operator", found=found, overdue=overdue, unsettled=unsettled
    )


async def _operations(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    state, service, number = (
        searched(request, "state") or UNFINISHED,
        searched(request, "service"),
        page_number(request),
    )
    rows, more = await every_operation(request.app.state.ctx, seen.actor, state, service, number)
    return operator_page(
        request, "operator_operations.html", seen, fault, here="/operator/operations", rows=rows, more=more,
        number=number, state=state, service=service, states=STATES, often=OFTEN, late=int(LATE.total_seconds() // 60),
    )  # fmt: skip


async def _services(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    seen.actor.require_operator()
    rows = await list_health(request.app.state.ctx, seen.actor)
    rows.sort(key=lambda row: (row.circuit == "closed", row.service))
    number = page_number(request)
    here, first = "/operator/services", (number - 1) * _PAGE
    return operator_page(
        request, "operator_services.html", seen, fault, here=here, rows=rows[first : first + _PAGE], number=number,
        more=len(rows) > first + _PAGE,
    )  # fmt: skip
