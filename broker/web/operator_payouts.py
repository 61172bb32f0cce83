"""Payouts for operators: drafting what partners are owed, approving it, and noting what the bank did."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.payouts.draft import draft_payouts
from broker.payouts.models import PayoutState
from broker.payouts.move import approve_payouts, fail_payout, mark_paid
from broker.payouts.payouts import PayoutView, every_payout
from broker.web.browser import Form
from broker.web.operating import Deed, act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/payouts"
_MOST_SHOWN: Final = 50
_LONGEST_NOTE: Final = 500


@router.get(_HERE)
async def payouts(request: Request) -> Response:
    """What is to be approved, what is to be transferred, and what is over."""
    return await shown(request, _payouts)


@router.post(f"{_HERE}/run")
async def run(request: Request) -> Response:
    """Draft what can be paid out now."""

    async def deed(ctx: Context, seen: SignedIn, _form: Form) -> str:
        return "drafted" if (await draft_payouts(ctx, seen.actor)).payouts else "nothing"

    return await _act(request, deed)


@router.post(f"{_HERE}/approve")
async def approve(request: Request) -> Response:
    """Let those drafts be paid that are ticked."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        chosen = form.all("payout")
        if not chosen:
            raise InvalidParams("Tick the payouts that are to be approved.")
        await approve_payouts(ctx, seen.actor, chosen)
        return "payable"

    return await _act(request, deed)


@router.post(_HERE + "/{payout}/paid")
async def paid(request: Request, payout: str) -> Response:
    """Note that the bank has transferred it."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await mark_paid(ctx, seen.actor, payout, _note(form, "reference"))
        return "paid"

    return await _act(request, deed)


@router.post(_HERE + "/{payout}/fail")
async def fail(request: Request, payout: str) -> Response:
    """Take it back, also when it came back from the bank."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await fail_payout(ctx, seen.actor, payout, _note(form, "reason"))
        return "failed"

    return await _act(request, deed)


async def _act(request: Request, deed: Deed) -> Response:
    return await act(request, deed, _payouts, _HERE, dangerous=True)


def _note(form: Form, name: str) -> str:
    said = form.one(name).strip()
    if not 0 < len(said) <= _LONGEST_NOTE:
        raise InvalidParams(f"{name}: give one, in 1 to {_LONGEST_NOTE} characters.")
    return said


async def _payouts(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    in_state = {state: [_row(view) for view in await every_payout(ctx, seen.actor, state)] for state in PayoutState}
    over = sorted(in_state[PayoutState.PAID] + in_state[PayoutState.FAILED], key=_age, reverse=True)
    return operator_page(
        request, "operator_payouts.html", seen, fault, here=_HERE, drafts=in_state[PayoutState.DRAFT],
        approved=in_state[PayoutState.APPROVED], over=over[:_MOST_SHOWN], longest=_LONGEST_NOTE,
    )  # fmt: skip


def _age(row: dict[str, Any]) -> str:
    return str(row["view"].id)


def _row(view: PayoutView) -> dict[str, Any]:
    return {"view": view, "amount": Money(view.minor, view.currency)}
