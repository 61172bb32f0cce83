"""Pages of the account: for whoever is signed in, and for what is dangerous, only shortly after the password was shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.browser import Form
from broker.web.pages import Flash, page, refusal_page
from broker.web.team_money import money_address, purse_of, with_purse

Show = Callable[[Request, SignedIn, BrokerError | None], Awaitable[Response]]
"""Shows a page again, with what was wrong."""
Deed = Callable[[Context, SignedIn, Form], Awaitable[Response | None]]
"""Does what a form asks for; None: back to the page, which says that it is done."""

_DONE: Final = {
    "profile": "Your name is changed.",
    "password": "Your password is changed. Every other browser was signed out.",
    "mail": "A mail is on its way to the new address. Open the link in it, in this browser.",
    "email": "Your address is changed.",
    "removed": "It is removed.",
    "ended": "All other browsers are signed out.",
    "policy": "It is changed.",
    "budget": "The budget is set.",
    "tags": "The tags are as you want them.",
    "decided": "It is answered.",
    "method": "Your payment method is added.",
    "paying": "The payment is under way. How it ends is told below, and by mail.",
}
"""What a page may say after a form of it: the address of the page names one of these, and can say nothing else."""


def flash(request: Request, fault: BrokerError | None = None) -> Flash | None:
    """What is said above the page: what was wrong, or what has just been done."""
    if fault is not None:
        return Flash("bad", fault.message)
    done = _DONE.get(request.query_params.get("done", ""))
    return None if done is None else Flash("good", done)


def account_page(request: Request, template: str, seen: SignedIn, status: int, **values: Any) -> Response:
    """A page of the account, or of the money of a team."""
    token, purse = browser.form_token(request, seen), purse_of(request)
    person = purse.person if purse else seen
    named: dict[str, Any] = {"email": person.actor.email, "form_token": token, "team": purse and purse.team}
    named["base"] = money_address(request, "")
    return page(template, status, seen=person, place="account", **(named | values))


async def shown_inside(request: Request, show: Callable[[SignedIn], Awaitable[Response]]) -> Response:
    """A page for whoever is signed in, about their own money or that of a team of theirs. What is not theirs looks like what is
    not there."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    try:
        return await show(await with_purse(request, seen))
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError as error:
        return refusal_page(error, seen)


def needs_proof(request: Request, seen: SignedIn, onward: str) -> Response | None:
    """The way to the password, if that was not shown just now; and from there on to `onward`, a page of ours."""
    ctx: Context = request.app.state.ctx
    if seen.is_proved(ctx.clock.now()):
        return None
    return RedirectResponse(f"/account/prove?next={quote(onward, safe='')}", 303, {"cache-control": "no-store"})


async def act(request: Request, deed: Deed, show: Show, here: str, done: str, *, dangerous: bool = False) -> Response:
    """Take a form of a page of the account: check where it comes from, do it, and say so on the page."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request) if request.method == "GET" else RedirectResponse(f"/login?next={here}", 303)
    try:
        sent = await browser.read_form(request)
        browser.check_form(request, sent, seen)
        seen = await with_purse(request, seen)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError as error:
        return refusal_page(error, seen)
    if dangerous and (proof := needs_proof(request, seen, here)) is not None:
        return proof
    try:
        shown = await deed(request.app.state.ctx, seen, sent)
    except BrokerError as error:
        return await show(request, seen, error)
    return shown or RedirectResponse(f"{here}?done={done}", 303, {"cache-control": "no-store"})
