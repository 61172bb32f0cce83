"""Payments for operators: what no gateway tells any more how it ended, and what banks took back. The rest is `payments:refund` and such."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.payments.chargebacks import ChargebackView, list_chargebacks
from broker.payments.settle_by_hand import settle_chargeback, settle_payment, settle_refund
from broker.payments.unsettled import BANKS, MOVED, Kind, list_unsettled
from broker.web.browser import Form
from broker.web.operating import act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/payments"
_COLOURS: Final = {"open": "warn", "won": "good", "lost": "bad"}


@router.get(_HERE)
async def payments(request: Request) -> Response:
    """What is to be decided, and what banks took back."""
    return await shown(request, _payments)


@router.post(f"{_HERE}/settle")
async def settle(request: Request) -> Response:
    """Say how a payment, a refund or a chargeback ended."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        key, outcome, evidence = form.one("key"), form.one("outcome"), form.one("evidence")
        kind = next((each for each in Kind if each == form.one("kind")), None)
        if kind is None or outcome not in (BANKS if kind is Kind.CHARGEBACK else MOVED):
            raise InvalidParams("Choose one of what is on the page.")
        if kind is Kind.CHARGEBACK:
            await settle_chargeback(ctx, seen.actor, key, won=outcome == BANKS[0], evidence=evidence)
        else:
            use_case = settle_payment if kind is Kind.PAYMENT else settle_refund
            await use_case(ctx, seen.actor, key, succeeded=outcome == MOVED[0], evidence=evidence)
        return "settled"

    return await act(request, deed, _payments, _HERE, dangerous=True)


async def _payments(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    waiting = await list_unsettled(ctx, seen.actor)
    named = {each.key for each in waiting if each.kind is Kind.CHARGEBACK}
    taken = [_row(view, named) for view in await list_chargebacks(ctx, seen.actor)]
    return operator_page(
        request, "operator_payments.html", seen, fault, here=_HERE, waiting=waiting, chargebacks=taken, outcomes=BANKS
    )


def _row(view: ChargebackView, named: set[str]) -> dict[str, Any]:
    is_open = view.state == "open" and view.reference not in named
    amount = Money(view.minor, view.currency)
    return {"view": view, "amount": amount, "colour": _COLOURS.get(view.state, "info"), "is_open": is_open}
