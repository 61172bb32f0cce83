"""Accounts for operators: finding one, inviting somebody, and who has not paid what is past due."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.accounts.directory import find_accounts, sign_out
from broker.accounts.sign_up import invite
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.payments.dunning_views import DelinquentView, list_delinquent
from broker.web.browser import Form
from broker.web.operating import act, operator_page, page_number, searched, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/accounts"


@router.get(_HERE)
async def accounts(request: Request) -> Response:
    """Who is late, and everybody."""
    return await shown(request, _accounts)


@router.post(f"{_HERE}/invite")
async def ask_in(request: Request) -> Response:
    """Send somebody a link to an account of their own."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await invite(ctx, seen.actor, form.one("email"))
        return "invited"

    return await act(request, deed, _accounts, _HERE)


@router.post(f"{_HERE}/{{account}}/sign-out")
async def sign_out_everywhere(request: Request, account: str) -> Response:
    """End every session of somebody's browsers."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await sign_out(ctx, seen.actor, account)
        return "signed_out"

    return await act(request, deed, _accounts, _HERE, dangerous=True)


async def _accounts(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    ctx, text, number = request.app.state.ctx, searched(request), page_number(request)
    rows, more = await find_accounts(ctx, seen.actor, text, number)
    late = [] if text or number > 1 else [_late(view) for view in await list_delinquent(ctx, seen.actor)]
    return operator_page(
        request, "operator_accounts.html", seen, fault, here=_HERE, rows=rows, more=more, number=number, text=text,
        late=late, wrong=fault and fault.message,
    )  # fmt: skip


def _late(view: DelinquentView) -> dict[str, Any]:
    """What is owed by currency, and the date that comes next."""
    owed: dict[str, int] = {}
    for invoice in view.unpaid:
        owed[invoice.currency] = owed.get(invoice.currency, 0) + invoice.owed_minor
    return {
        "email": view.email,
        "since": view.delinquent_at,
        "suspended_at": view.suspended_at,
        "suspends_at": view.suspends_at,
        "deletes_at": view.deletes_at,
        "is_paused": any(invoice.is_paused for invoice in view.unpaid),
        "owed": [Money(minor, currency) for currency, minor in sorted(owed.items())],
        "invoices": [invoice.number for invoice in view.unpaid],
    }
