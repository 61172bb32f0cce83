"""The page on which a user lets a command line act for the account. The command line waits at `/auth/cli/…` meanwhile."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from broker.accounts.cli_logins import decide_cli_login, look_at_cli_login
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.web import browser
from broker.web.inside import needs_proof
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)


@router.get("/auth/browser/{login}")
async def question(request: Request, login: str) -> Response:
    """Ask the user, who signs in first, or shows the password again: what is given here does everything for a month."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    if (proof := needs_proof(request, seen, request.url.path)) is not None:
        return proof
    try:
        view = await look_at_cli_login(request.app.state.ctx, login)
    except BrokerError as error:
        return refusal_page(error, seen)
    token = browser.form_token(request, seen)
    return page("cli_login.html", seen=seen, login=view, email=seen.actor.email, form_token=token, address=login)


@router.post("/auth/browser/{login}")
async def answer(request: Request, login: str) -> Response:
    """Allow it, or do not."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    if (proof := needs_proof(request, seen, request.url.path)) is not None:
        return proof
    try:
        sent = await browser.read_form(request)
        browser.check_form(request, sent, seen)
        allowed = sent.one("decision") == "allow"
        await decide_cli_login(ctx, seen.actor, login, allowed=allowed, session_id=seen.session_id)
    except BrokerError as error:
        return refusal_page(error, seen)
    return page("cli_login_done.html", seen=seen, allowed=allowed)
