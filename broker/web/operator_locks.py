"""Locking an account and unlocking it, on a page of its own: with a reason, and for a lock with the address typed."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.accounts.locking import LONGEST_REASON, get_lock, lock_account, unlock_account
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import Show, act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/accounts/{account}/lock"


@router.get(_HERE)
async def question(request: Request, account: str) -> Response:
    """How it stands, with the form that changes it."""
    return await shown(request, _page_of(account))


@router.post(_HERE)
async def lock(request: Request, account: str) -> Response:
    """Let nobody in."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        view = await get_lock(ctx, seen.actor, account)
        if form.one("confirm").strip().casefold() != view.email.casefold():
            raise InvalidParams(f"Type {view.email} to confirm that its person shall be locked out.")
        await lock_account(
            ctx, seen.actor, account, form.one("reason"), revoke_tokens=form.one("revoke_tokens") == "yes"
        )
        return "locked"

    return await act(request, deed, _page_of(account), _here(account), dangerous=True)


@router.post("/operator/accounts/{account}/unlock")
async def unlock(request: Request, account: str) -> Response:
    """Let its person in again."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await unlock_account(ctx, seen.actor, account, form.one("reason"))
        return "unlocked"

    return await act(request, deed, _page_of(account), _here(account), dangerous=True)


def _here(account: str) -> str:
    return f"/operator/accounts/{account}/lock"


def _page_of(account: str) -> Show:
    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        view = await get_lock(request.app.state.ctx, seen.actor, account)
        is_own = view.id == seen.actor.id
        return operator_page(
            request, "operator_lock.html", seen, fault, here="/operator/accounts", of=view, is_own=is_own,
            longest=LONGEST_REASON,
        )  # fmt: skip

    return show
