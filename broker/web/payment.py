"""The page of payments: what the account pays with, what it owes, what it has paid. Cards are added on the gateway's own page."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, NotFound
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.payments.by_hand import list_unpaid, pay_invoice
from broker.payments.methods import list_methods, make_default, remove_method
from broker.payments.models import SetupState
from broker.payments.setups import begin_setup, get_setup
from broker.payments.standing import get_standing
from broker.payments.views import PaymentView, list_payments
from broker.web import browser
from broker.web.browser import Form
from broker.web.inside import account_page, act, flash, shown_inside
from broker.web.moments import day, month_words
from broker.web.pages import Flash
from broker.web.team_money import OF_TEAM, OWN, money_address

router = APIRouter(include_in_schema=False)
_HERE: Final = "/payment"
_MOST_SHOWN: Final = 20
_LONGEST_WAY: Final = 1500
_STATES: Final = {
    "succeeded": ("good", "Paid"),
    "failed": ("bad", "Failed"),
    "action_needed": ("warn", "To be confirmed"),
}
"""All others are under way."""


@router.get(OWN + _HERE)
@router.get(OF_TEAM + _HERE)
async def overview(request: Request) -> Response:
    """Payment methods, invoices to be paid, and payments."""

    async def show(seen: SignedIn) -> Response:
        return await _overview(request, seen)

    return await shown_inside(request, show)


@router.post(OWN + _HERE + "/methods")
@router.post(OF_TEAM + _HERE + "/methods")
async def add(request: Request) -> Response:
    """Ask the gateway for its page; the way there leads over one of ours, which waits for it."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> Response:
        back = _back(request)
        here = money_address(request, _HERE)
        setup = await begin_setup(ctx, seen.actor, onward=back)
        return RedirectResponse(browser.with_query(f"{here}/setups/{setup}", **_next(back)), 303)

    return await act(request, deed, _overview, money_address(request, _HERE), "card")


@router.get(OWN + _HERE + "/setups/{setup}")
@router.get(OF_TEAM + _HERE + "/setups/{setup}")
async def go_to_gateway(request: Request, setup: str) -> Response:
    """The way to the gateway's page. A form of ours may not lead elsewhere, so that this page does."""

    async def show(seen: SignedIn) -> Response:
        return await _way_to_gateway(request, seen, setup)

    return await shown_inside(request, show)


@router.post(OWN + _HERE + "/methods/{method}/remove")
@router.post(OF_TEAM + _HERE + "/methods/{method}/remove")
async def remove(request: Request, method: str) -> Response:
    """Pay with it no more."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await remove_method(ctx, seen.actor, method)

    return await act(request, deed, _overview, money_address(request, _HERE), "removed")


@router.post(OWN + _HERE + "/methods/{method}/default")
@router.post(OF_TEAM + _HERE + "/methods/{method}/default")
async def choose(request: Request, method: str) -> Response:
    """Pay with it from now on."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await make_default(ctx, seen.actor, method)

    return await act(request, deed, _overview, money_address(request, _HERE), "policy")


@router.post(OWN + _HERE + "/invoices/{invoice}")
@router.post(OF_TEAM + _HERE + "/invoices/{invoice}")
async def pay(request: Request, invoice: str) -> Response:
    """Pay an invoice now, and go back to where one said so."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> Response | None:
        await pay_invoice(ctx, seen.actor, invoice)
        back = _back(request)
        return None if back is None else _on(back, "paying")

    return await act(request, deed, _overview, money_address(request, _HERE), "paying")


async def _way_to_gateway(request: Request, seen: SignedIn, setup: str) -> Response:
    here = money_address(request, _HERE)
    back = browser.with_query(here, **_next(_back(request)))
    view = await get_setup(request.app.state.ctx, seen.actor, setup)
    if view.state in (SetupState.DONE, SetupState.OVER):
        return RedirectResponse(browser.with_query(here, setup=str(view.id), **_next(_back(request))), 303)
    url = view.url if view.state == SetupState.OPEN else None
    return account_page(request, "payment_setup.html", seen, 200, here=here, url=url, back=back)


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    actor, back = seen.actor, _back(request)
    said, adding, is_done = (flash(request, fault), False, False) if fault else await _said(request, ctx, actor)
    if is_done and back is not None:
        return _on(back, "method")
    paid = await list_payments(ctx, actor, most=_MOST_SHOWN)
    under_way = {each.invoice_id for each in paid if each.finished_at is None}
    return account_page(
        request,
        "payment.html",
        seen,
        200 if fault is None else status_of(type(fault)),
        here=money_address(request, _HERE),
        back=back,
        and_back=browser.with_query("", **_next(back)),
        flash=said,
        adding=adding,
        is_needed=ctx.rules.paid_plans_need_verification,
        methods=await list_methods(ctx, actor),
        standing=await get_standing(ctx, actor.id),
        day=day,
        unpaid=[
            {"number": each.number, "month": month_words(each.month), "due": Money(each.owed_minor, each.currency)}
            for each in await list_unpaid(ctx, actor)
            if each.id not in under_way
        ],
        payments=[_payment(each) for each in paid],
    )


def _back(request: Request) -> str | None:
    """Where its user came from, for want of a payment method, and wants to go back to."""
    wanted = request.query_params.get("next", "")
    return browser.way_back(wanted) if len(wanted) <= _LONGEST_WAY else None


def _on(back: str, done: str) -> Response:
    return RedirectResponse(browser.with_query(back, done=done), 303, {"cache-control": "no-store"})


def _next(back: str | None) -> dict[str, str]:
    return {} if back is None else {"next": back}


async def _said(request: Request, ctx: Context, actor: Actor) -> tuple[Flash | None, bool, bool]:
    """What is said above the page; whether there soon will be more: its user has just come back from the gateway; and whether
    there is a new payment method."""
    key = request.query_params.get("setup")
    if key is None:
        return flash(request), False, False
    try:
        view = await get_setup(ctx, actor, key, look=True)
    except NotFound:
        return None, False, False
    if view.state == SetupState.DONE:
        return Flash("good", "Your payment method is added. Invoices are paid with it from now on."), False, True
    if view.state == SetupState.OVER:
        return Flash("bad", "No payment method was added: the page of the payment gateway is over."), False, False
    return Flash("info", "The payment gateway is being asked for your payment method."), True, False


def _payment(view: PaymentView) -> dict[str, Any]:
    colour, state = _STATES.get(view.state, ("info", "Under way"))
    return {
        "invoice": view.invoice,
        "amount": Money(view.minor, view.currency),
        "back": Money(view.refunded_minor, view.currency) if view.refunded_minor else None,
        "method": f"{view.brand} {view.last4}" if view.last4 else "transfer",
        "colour": colour,
        "state": state,
        "day": day(view.created_at),
        "action_url": view.action_url,
        "why": view.failure_message,
    }
