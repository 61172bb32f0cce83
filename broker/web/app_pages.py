"""What all pages of apps share: who may see them, how a form of theirs is taken, what is said afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from broker.addons.preview_views import Obstacle, PreviewView
from broker.apps.collaborators import owns
from broker.apps.queries import get_app
from broker.apps.resolve import AppView
from broker.apps.visibility import Role
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, BudgetExceeded, NotFound, PaymentRequired, Unverified
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.browser import Form
from broker.web.pages import Flash, page, refusal_page

APPS: Final = "/dashboard"
_DONE: Final = {
    "created": "The app is there. Add what it needs.",
    "attached": "It is attached, and the app has its config vars.",
    "detached": "It is detached. The add-on and its data stay.",
    "renamed": "It has its new name.",
    "planned": "The plan is to change at the end of the month.",
    "unplanned": "The plan stays as it is.",
    "same": "It is on that plan already.",
    "accepted": "It goes on after the trial, at its price.",
    "vars": "The config vars are changed, in a release of their own.",
    "unchanged": "Nothing was different, so there is no new release.",
    "rolledback": "The app's own config vars are as they were then, in a new release.",
    "shared": "They may use the app from now on.",
    "removed": "They have no part in the app any more.",
    "asked": "They are asked. Nothing changes before they agree.",
    "withdrawn": "It is taken back.",
    "declined": "You have declined.",
    "ended": "You pay for it no longer: its owner does.",
    "agreed": "It is agreed, and holds from now on.",
    "maintained": "Maintenance mode is switched.",
    "login": "The login is there. An app gets it when the add-on is attached by it.",
    "loginasked": "The login is being made. Look again in a moment.",
    "loginremoved": "The login is being removed.",
    "oldended": "The old credentials are being ended: whoever still uses them is cut off.",
    "taken": "It is noted. The old credentials go when no app needs them.",
    "tags": "The tags are as you want them.",
    "moved": "It is billed to this app from now on.",
    "team": "The team is there, and you own it. Invite the others, and make its apps.",
    "teamended": "The team is ended. Its bills stay on record.",
    "invited": "A mail is on its way. They are in the team when they accept.",
    "member": "They are in the team from now on, and told by mail.",
    "joined": "You are in the team now.",
    "role": "The role is changed, and holds from now on.",
    "gone": "They are in the team no more.",
    "left": "You have left the team.",
    "given": "The app belongs to its new owner from now on.",
    "method": "Your payment method is added. You can go on where you were.",
    "destroyed": "The app is destroyed, and its add-ons are being removed.",
}
"""What a page may say after a form of it: the address of the page names one of these, and can say nothing else."""

_SPOKEN: Final = {
    Unverified.id: "Paid plans need a payment method, and whoever pays for this app has none. Nothing was made or charged."
}

Show = Callable[[SignedIn, BrokerError | None, Form | None], Awaitable[Response]]
"""Shows a page; after a form that was refused, with what was wrong and what was sent."""
Deed = Callable[[Context, SignedIn, Form], Awaitable[Response | str]]
"""Does what a form asks for: where to go on, or which of the above is to be said."""


def app_address(app: str, *rest: str) -> str:
    """The page of an app, or of a part of it."""
    return "/".join([APPS, "apps", *(quote(part, safe="") for part in (app, *rest))])


async def shown(request: Request, show: Show) -> Response:
    """A page for whoever is signed in. What is not theirs looks like what is not there."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    try:
        return await show(seen, None, None)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError as error:
        return refusal_page(error, seen)


async def taken(request: Request, deed: Deed, show: Show, here: str) -> Response:
    """Take a form: check where it comes from, do it, and say so on the page `here`; or show that again, with what was wrong."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse(f"/login?next={quote(here, safe='')}", 303, {"cache-control": "no-store"})
    try:
        sent = await browser.read_form(request)
        browser.check_form(request, sent, seen)
    except BrokerError as error:
        return refusal_page(error, seen)
    try:
        done = await deed(request.app.state.ctx, seen, sent)
    except BrokerError as error:
        return await _again(seen, show, error, sent)
    return onward(here, done) if isinstance(done, str) else done


async def _again(seen: SignedIn, show: Show, error: BrokerError, sent: Form) -> Response:
    try:
        return await show(seen, error, sent)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError:
        return refusal_page(error, seen)


def onward(here: str, done: str = "") -> Response:
    """On to a page of ours, which says what was done."""
    return RedirectResponse(f"{here}?done={done}" if done else here, 303, {"cache-control": "no-store"})


def said(request: Request, fault: BrokerError | None) -> Flash | None:
    """What is said above the page: what was wrong, or what has just been done."""
    if fault is not None:
        return Flash("bad", spoken(fault))
    text = _DONE.get(request.query_params.get("done", ""))
    return None if text is None else Flash("good", text)


def spoken(refusal: BrokerError | Obstacle) -> str:
    """A refusal as pages say it, which have a button where its message names a command."""
    if refusal.id != BudgetExceeded.id:
        return _SPOKEN.get(refusal.id, refusal.message)
    why, choices, _ = refusal.message.partition(" Choose ")
    if choices:
        return f"{why} Choose a smaller plan, raise the budget, or ask for approval."
    return why.replace("repeat the same command", "do the same here again")


def told(preview: PreviewView) -> PreviewView:
    """A preview as pages tell it."""
    return replace(preview, obstacles=tuple(replace(each, message=spoken(each)) for each in preview.obstacles))


def to_payment(back: str, app: AppView | None = None) -> str:
    """The page of payments, which leads back to this address on this server; of the app's team, if that pays for the app."""
    pays = app is not None and app.team_name is not None and app.payer_id == app.owner_id
    return browser.with_query(f"/teams/{app.team_name}/payment" if app and pays else "/account/payment", next=back)


def way_on(fault: BrokerError | None, back: str, app: AppView | None = None) -> tuple[str, str] | None:
    """Where whoever was refused for want of payment goes on: what is said, and the page, which leads back."""
    if isinstance(fault, BudgetExceeded) or not isinstance(fault, PaymentRequired):
        return None
    return "To your payment methods", to_payment(back, app)


async def the_app(request: Request, seen: SignedIn, name: str) -> AppView:
    """The app that a page is about.

    Raises: NotFound.
    """
    return await get_app(request.app.state.ctx, seen.actor, name)


def app_page(
    request: Request,
    template: str,
    seen: SignedIn,
    app: AppView,
    place: str,
    fault: BrokerError | None = None,
    *,
    back: str | None = None,
    **values: Any,
) -> Response:
    """A page of an app; `place` is the tab that it belongs to, `back` where one goes on after a payment that it takes."""
    named: dict[str, Any] = {
        "flash": said(request, fault),
        "fault": fault,
        "way_on": way_on(fault, back or app_address(app.name), app),
        "app": app,
        "tab": place,
        "is_owner": owns(seen.actor, app),
        "works": app.role != Role.VIEWER,
        "form_token": browser.form_token(request, seen),
        **values,
    }
    return page(template, status_of(type(fault)) if fault else 200, seen=seen, place="dashboard", **named)
