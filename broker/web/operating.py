"""What the operators' pages share: who may see that they exist, their navigation, and how their forms are taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.browser import Form
from broker.web.inside import needs_proof
from broker.web.moments import day, exactly
from broker.web.pages import Flash, page, refusal_page

Show = Callable[[Request, SignedIn, BrokerError | None], Awaitable[Response]]
"""Shows a page, also again with what was wrong."""
Deed = Callable[[Context, SignedIn, Form], Awaitable[str]]
"""Does what a form asks for, and says which of the sentences below it was."""

_DONE: Final = {
    "featured": "It is featured on the first page now.",
    "unfeatured": "It is no longer featured.",
    "approved": "It is approved.",
    "refused": "It is refused; its owner reads your note.",
    "sunset": "Its end is announced to everybody who has it.",
    "shutdown": "It has ended.",
    "retried": "It is tried at once. Load the page again to see how it went.",
    "resolved": "It is resolved, and not tried any more.",
    "invited": "The invitation is on its way.",
    "drafted": "What could be paid out is drafted.",
    "nothing": "There is nothing to pay out: balances are held, or too small.",
    "payable": "It is approved, and in the export for the bank.",
    "paid": "It is marked as paid, and its owner is told.",
    "settled": "It is settled, and in the books.",
    "failed": "It is taken back; the amount is in the balance again.",
    "reconciling": "The comparison is under way.",
    "on": "It is on, from this moment on and for every process.",
    "off": "It is off, from this moment on and for every process.",
    "again": "The job is made again.",
    "locked": "It is locked. Nobody gets in until an operator unlocks it.",
    "unlocked": "It is unlocked. Its person may sign in.",
    "signed_out": "Every browser of theirs is signed out.",
}
"""What a page may say after a form: its address names one of these, and can say nothing else."""
_LONGEST_TEXT: Final = 100


async def shown(request: Request, show: Show) -> Response:
    """A page for operators: to others it is an address that there is not."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    _admit(seen)
    try:
        return await show(request, seen, None)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError as error:
        return refusal_page(error, seen)


async def act(request: Request, deed: Deed, show: Show, here: str, *, dangerous: bool = False) -> Response:
    """Take a form: check where it comes from and who sends it, do it, and say so on the page."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse(f"/login?next={here}", 303, {"cache-control": "no-store"})
    try:
        form = await browser.read_form(request)
        browser.check_form(request, form, seen)
    except BrokerError as error:
        return refusal_page(error, seen)
    _admit(seen)
    if dangerous and (proof := needs_proof(request, seen, here)) is not None:
        return proof
    return await _done(request, seen, form, deed, show, here)


def _admit(seen: SignedIn) -> None:
    """Go on for operators.

    Raises: HTTPException, the very one that the router raises for what it does not know.
    """
    if not seen.actor.is_operator:
        raise HTTPException(404)


async def _done(request: Request, seen: SignedIn, form: Form, deed: Deed, show: Show, here: str) -> Response:
    try:
        done = await deed(request.app.state.ctx, seen, form)
    except BrokerError as error:
        fault = error
    else:
        return RedirectResponse(f"{here}?done={done}", 303, {"cache-control": "no-store"})
    try:
        return await show(request, seen, fault)
    except NotFound:
        return page("not_found.html", 404, seen=seen)


def operator_page(
    request: Request, template: str, seen: SignedIn, fault: BrokerError | None = None, **values: Any
) -> Response:
    """A page of the console, which says above it what was wrong or has just been done."""
    status = 200 if fault is None else status_of(type(fault))
    named = {"form_token": browser.form_token(request, seen), "day": day, "exactly": exactly, **values}
    return page(template, status, seen=seen, flash=_flash(request, fault), place="operator", **named)


def _flash(request: Request, fault: BrokerError | None) -> Flash | None:
    if fault is not None:
        return Flash("bad", fault.message)
    text = _DONE.get(request.query_params.get("done", ""))
    return Flash("good", text) if text else None


def searched(request: Request, name: str = "q") -> str:
    """What somebody looks for, as the address has it."""
    return request.query_params.get(name, "").strip()[:_LONGEST_TEXT].replace("\0", "")


def page_number(request: Request) -> int:
    """Which page of a list; the first for whatever is no number."""
    number = request.query_params.get("page", "1")
    return int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 5 and int(number) else 1
