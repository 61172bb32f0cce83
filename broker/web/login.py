"""Signing in to the pages, and out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.login import log_in
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound, RateLimited, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn, begin_session, end_session
from broker.web import browser
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)
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


@router.get("/login")
async def form(request: Request, next: str = "") -> Response:
    """The form; for whoever is signed in already and may just go on, a way on."""
    return _form(request, browser.local_path(next))


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go on to where one came from."""
    ctx: Context = request.app.state.ctx
    try:
        sent = await browser.read_form(request)
        browser.check_signing_in(request, sent)
    except BrokerError as error:
        return refusal_page(error)
    onward = browser.local_path(sent.one("next"))
    try:
        actor = await log_in(ctx, request.app.state.face.throttle, sent.one("email"), Secret(sent.one("password")))
    except (Unauthorized, RateLimited) as error:
        return _form(request, onward, email=sent.one("email"), fault=error)
    await _end(ctx, await browser.who(request))
    response = _onward(onward)
    browser.keep_session(request, response, await begin_session(ctx, actor, _program(request)))
    return response


@router.get("/logout")
async def leaving(request: Request) -> Response:
    """The question whether to: a mere link signs nobody out."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse("/login", 303)
    token = browser.form_token(request, seen)
    return page("logout.html", email=seen.actor.email, form_token=token)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    seen = await browser.who(request)
    try:
        if seen is not None:
            browser.check_form(request, await browser.read_form(request), seen)
            await _end(request.app.state.ctx, seen)
    except BrokerError as error:
        return refusal_page(error)
    response = RedirectResponse("/login", 303)
    browser.drop_session(request, response)
    return response


def _form(request: Request, onward: str, *, email: str = "", fault: BrokerError | None = None) -> Response:
    cookie = browser.signing_in_cookie(request) or browser.new_cookie()
    status = 200 if fault is None else 429 if isinstance(fault, RateLimited) else 401
    response = page(
        "login.html",
        status,
        onward=onward,
        email=email,
        fault=fault and fault.message,
        form_token=browser.signing_in_token(request, cookie),
    )
    browser.keep_signing_in(request, response, cookie)
    return response


def _onward(path: str) -> Response:
    """To where one came from. A consent that was given before, or a dashboard, leads on to another host at once, and browsers hold the
    address of a form's answer to the page's policy; so one goes there from a page in between."""
    if path.startswith(_LEAVING):
        return page("signed_in.html", onward=path)
    return RedirectResponse(path, 303, {"cache-control": "no-store"})


async def _end(ctx: Context, seen: SignedIn | None) -> None:
    """End the session that the browser had: a new one never continues an old one."""
    if seen is None:
        return
    try:
        await end_session(ctx, seen.actor, str(seen.session_id))
    except NotFound:
        return  # it ended by itself meanwhile


def _program(request: Request) -> str:
    """What its user calls the browser: `Firefox on Linux`."""
    said = request.headers.get("user-agent", "")
    name = next((name for mark, name in _BROWSERS if mark in said), "A browser")
    system = next((f" on {name}" for mark, name in _SYSTEMS if mark in said), "")
    return name + system
