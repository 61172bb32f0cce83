"""Pages for whoever is not signed in: their forms are bound to the browser. And what every way of signing in ends with."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.devices import device_of, new_device
from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.sessions import SignedIn, begin_session, end_session
from broker.web import browser
from broker.web.browser import Form
from broker.web.pages import page

_LEAVING: Final = ("/oauth/authorize", "/go/", "/sso/")
"""What may answer by sending the browser to another host."""

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
)
"""Marks in what browsers say of themselves, the telling ones first: most pretend to be several."""


def outside(
    request: Request, template: str, fault: BrokerError | None = None, *, cookie: str | None = None, **values: Any
) -> Response:
    """A page with a form for whoever it is; with a fault, it says so and answers accordingly."""
    cookie = cookie or browser.signing_in_cookie(request) or browser.new_cookie()
    status = 200 if fault is None else status_of(type(fault))
    token = browser.signing_in_token(request, cookie)
    response = page(template, status, fault=fault and fault.message, form_token=token, **values)
    browser.keep_signing_in(request, response, cookie)
    return response


async def sent_from_outside(request: Request) -> Form:
    """The form that was sent from such a page.

    Raises: Forbidden if it was not; BadRequest, PayloadTooLarge, RequestTimeout.
    """
    form = await browser.read_form(request)
    browser.check_signing_in(request, form)
    return form


async def let_in(request: Request, actor: Actor, onward: str) -> Response:
    """Begin a session, and go on to where one came from. The one before ends: a new one never continues an old one."""
    ctx: Context = request.app.state.ctx
    await leave(ctx, await browser.who(request))
    is_known = device_of(ctx.vault, actor.id, browser.device(request)) is not None
    cookie = await begin_session(ctx, actor, _program(request), is_new_device=not is_known)
    response = _onward(onward)
    browser.keep_session(request, response, cookie)
    browser.keep_half_way(request, response, None)
    if not is_known:
        browser.keep_device(request, response, new_device(ctx.vault, actor.id))
    return response


async def leave(ctx: Context, seen: SignedIn | None) -> None:
    """End the session that the browser has."""
    if seen is None:
        return
    try:
        await end_session(ctx, seen.actor, str(seen.session_id))
    except NotFound:
        return  # it ended by itself meanwhile


def _onward(path: str) -> Response:
    """To where one came from. A consent that was given before, or a dashboard, leads on to another host at once, and browsers hold the
    address of a form's answer to the page's policy; so one goes there from a page in between."""
    if path.startswith(_LEAVING):
        return page("signed_in.html", onward=path)
    return RedirectResponse(path, 303, {"cache-control": "no-store"})


def _program(request: Request) -> str:
    """What its user calls the browser: `Firefox on Linux`."""
    said = request.headers.get("user-agent", "")
    name = next((name for mark, name in _BROWSERS if mark in said), "A browser")
    system = next((f" on {name}" for mark, name in _SYSTEMS if mark in said), "")
    return name + system
