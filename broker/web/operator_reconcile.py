"""Runs of reconcile for operators: what does not agree between the broker, the providers and the bills, in words and money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.reconcile_runs import RunView, get_run, list_runs, start_run
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/reconcile"
_GOING: Final = ("pending", "running")
_MOST_SHOWN: Final = 25


@router.get(_HERE)
async def runs(request: Request) -> Response:
    """The newest runs, and the form for another one."""
    return await shown(request, _runs)


@router.get(_HERE + "/{run}")
async def one(request: Request, run: str) -> Response:
    """One run with its report; it asks again by itself while it goes on."""

    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        view = await get_run(request.app.state.ctx, seen.actor, run)
        return operator_page(
            request, "operator_run.html", seen, fault, here=_HERE, run=view, going=view.state in _GOING, **_report(view)
        )

    return await shown(request, show)


@router.post(_HERE)
async def start(request: Request) -> Response:
    """Compare all services or one, and mend what is safe to mend if that is wished."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        service = form.one("service").strip() or None
        await start_run(ctx, seen.actor, service=service, fix=form.one("fix") == "1")
        return "reconciling"

    return await act(request, deed, _runs, _HERE, dangerous=True)


async def _runs(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    found = await list_runs(request.app.state.ctx, seen.actor)
    rows = [{"run": view, **_report(view)} for view in found[:_MOST_SHOWN]]
    return operator_page(
        request, "operator_reconcile.html", seen, fault, here=_HERE, rows=rows, wrong=fault and fault.message
    )


def _report(view: RunView) -> dict[str, Any]:
    """What a finished run says; nothing before."""
    report: Mapping[str, Any] = view.report or {}
    drifts = report.get("drifts", [])
    return {
        "services": report.get("services", []),
        "drifts": [(each, Money(each["price_cents"], each["currency"])) for each in drifts],
        "not_shown": report.get("not_shown", 0),
        "count": len(drifts) + report.get("not_shown", 0),
        "money": [
            (Money(each["unpaid_cents"], each["currency"]), Money(each["overbilled_cents"], each["currency"]))
            for each in report.get("money", [])
        ],
    }
