"""Signing in to the pages, with a second factor where there is one, and out."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.halfway import half_way, whole_way
from broker.accounts.login import check_password, enter
from broker.accounts.passkeys import ask_for_passkey, sign_in_with_passkey
from broker.kernel.context import Context
from broker.kernel.errors import AccountLocked, BrokerError, RateLimited, TwoFactorRequired, Unauthorized
from broker.kernel.secret import Secret
from broker.web import browser
from broker.web.doorstep import leave, let_in, outside, sent_from_outside
from broker.web.pages import page, refusal_page
from broker.web.passkey_site import site_of, usable_site

router = APIRouter(include_in_schema=False)
SCRIPTS: Final = ("passkeys.js",)


@router.get("/login")
async def form(request: Request, next: str = "", done: str = "") -> Response:
    """The form; for whoever is signed in already and may just go on, a way on."""
    return _form(request, browser.local_path(next), done=done)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go on to where one came from; or ask for the second factor."""
    ctx: Context = request.app.state.ctx
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    onward, email = browser.local_path(sent.one("next")), sent.one("email")
    try:
        throttle, device = request.app.state.face.throttle, browser.device(request)
        entrant = await check_password(ctx, throttle, email, Secret(sent.one("password")), device)
        if not entrant.needs_code:
            return await let_in(request, await enter(ctx, entrant, None), onward)
    except (Unauthorized, RateLimited, AccountLocked) as error:
        return _form(request, onward, email=email, fault=error)
    response = RedirectResponse(f"/login/code?next={quote(onward, safe='')}", 303, {"cache-control": "no-store"})
    browser.keep_half_way(request, response, await half_way(ctx, entrant))
    return response


@router.get("/login/code")
async def code_form(request: Request, next: str = "") -> Response:
    """The form for the second factor, for whoever has just shown the password."""
    if browser.half_way(request) is None:
        return RedirectResponse(f"/login?next={quote(browser.local_path(next), safe='')}", 303)
    return _code_form(request, browser.local_path(next))


@router.post("/login/code")
async def second_step(request: Request) -> Response:
    """Begin a session with a code."""
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    cookie, onward = browser.half_way(request), browser.local_path(sent.one("next"))
    if cookie is None:
        return RedirectResponse(f"/login?next={quote(onward, safe='')}", 303)
    try:
        ctx: Context = request.app.state.ctx
        actor = await whole_way(ctx, cookie, Secret(sent.one("code")), browser.device(request))
        return await let_in(request, actor, onward)
    except (Unauthorized, AccountLocked) as error:
        return _form(request, onward, fault=error)
    except (TwoFactorRequired, RateLimited) as error:
        return _code_form(request, onward, error)


@router.post("/login/passkey")
async def with_passkey(request: Request) -> Response:
    """Begin a session with a passkey, which needs neither password nor code."""
    ctx, site = request.app.state.ctx, site_of(request)
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    onward = browser.local_path(sent.one("next"))
    try:
        if site is None:
            raise Unauthorized("Passkeys need an installation with a host name.")
        bound = browser.signing_in_cookie(request) or ""
        actor = await sign_in_with_passkey(ctx, site, sent.one("state"), sent.one("answer"), bound)
        return await let_in(request, actor, onward)
    except (Unauthorized, AccountLocked) as error:
        return _form(request, onward, fault=error)


@router.get("/logout")
async def leaving(request: Request) -> Response:
    """The question whether to: a mere link signs nobody out."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse("/login", 303)
    token = browser.form_token(request, seen)
    return page("logout.html", form_action="'self'", email=seen.actor.email, form_token=token)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    seen = await browser.who(request)
    try:
        if seen is not None:
            browser.check_form(request, await browser.read_form(request), seen)
            await leave(request.app.state.ctx, seen)
    except BrokerError as error:
        return refusal_page(error)
    response = RedirectResponse("/login", 303)
    browser.drop_session(request, response)
    return response


_DONE: Final = {
    "password": "Your new password is set. Sign in with it.",
}


def _form(
    request: Request, onward: str, *, email: str = "", fault: BrokerError | None = None, done: str = ""
) -> Response:
    return outside(
        request,
        "login.html",
        fault,
        onward=onward,
        email=email,
        done=_DONE.get(done),
        may_sign_up=request.app.state.sign_up == "open",
        **_passkey(request),
    )


def _code_form(request: Request, onward: str, fault: BrokerError | None = None) -> Response:
    return outside(request, "login_code.html", fault, onward=onward, **_passkey(request))


def _passkey(request: Request) -> dict[str, Any]:
    """What a page needs that offers passkeys: a challenge, and the script that hands it to the browser."""
    site = usable_site(request)
    if site is None:
        return {"passkey": None, "scripts": ()}
    cookie = browser.signing_in_cookie(request) or browser.new_cookie()
    # Bound to the same cookie as the form; a browser that has none yet gets this one with the page.
    challenge = ask_for_passkey(request.app.state.ctx, site, cookie)
    asked = {"options": json.dumps(dict(challenge.options)), "state": challenge.state}
    return {"passkey": asked, "scripts": SCRIPTS, "cookie": cookie}
