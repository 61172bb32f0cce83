"""The account itself: name and address; the password, and where one is signed in; showing again who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.account import get_account
from broker.accounts.change import ask_to_change_email, change_email, change_password, rename_person
from broker.accounts.login import check_password
from broker.accounts.two_factor import get_factors
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams, RateLimited, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn, end_other_sessions, list_sessions, prove_session
from broker.web import browser
from broker.web.browser import Form
from broker.web.doorstep import let_in
from broker.web.inside import account_page, act, flash
from broker.web.moments import moment
from broker.web.pages import refusal_page

router = APIRouter(include_in_schema=False)
_PROFILE, _SECURITY = "/account/profile", "/account/security"


@router.get(_PROFILE)
async def profile(request: Request) -> Response:
    """Name and address."""
    seen = await browser.who(request)
    return browser.to_sign_in(request) if seen is None else await _profile(request, seen)


@router.post(_PROFILE)
async def rename(request: Request) -> Response:
    """Change the name."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        await rename_person(ctx, seen.actor, sent.one("name"))

    return await act(request, deed, _profile, _PROFILE, "profile")


@router.post("/account/email")
async def ask_for_email(request: Request) -> Response:
    """Send a link to a new address."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        await ask_to_change_email(ctx, seen.actor, sent.one("email"))

    return await act(request, deed, _profile, _PROFILE, "mail", dangerous=True)


@router.get("/account/email")
async def confirm_email(request: Request, token: str = "") -> Response:
    """The question whether the new address is to be taken; a link alone changes nothing."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    return account_page(request, "email_confirm.html", seen, 200, here=_PROFILE, token=token)


@router.post("/account/email/confirm")
async def take_email(request: Request) -> Response:
    """Take it, and sign out everywhere else."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        await change_email(ctx, seen.actor, Secret(sent.one("token")))
        await end_other_sessions(ctx, seen)

    return await act(request, deed, _profile, _PROFILE, "email")


@router.get(_SECURITY)
async def security(request: Request) -> Response:
    """The password, the second factor, and the browsers that are signed in."""
    seen = await browser.who(request)
    return browser.to_sign_in(request) if seen is None else await _security(request, seen)


@router.post("/account/password")
async def new_password(request: Request) -> Response:
    """Change the password, for whoever knows the old one; every session ends, and a new one begins here."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        await _check(request, ctx, seen, sent.one("old"))
        revoke = sent.one("revoke_tokens") == "yes"
        await change_password(ctx, seen.actor, Secret(sent.one("password")), revoke_tokens=revoke)
        return await let_in(request, seen.actor, f"{_SECURITY}?done=password")

    return await act(request, deed, _security, _SECURITY, "password")


@router.post("/account/sessions/end-others")
async def end_others(request: Request) -> Response:
    """Sign out every browser but this one."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await end_other_sessions(ctx, seen)

    return await act(request, deed, _security, _SECURITY, "ended")


@router.get("/account/prove")
async def prove_form(request: Request, next: str = "") -> Response:
    """The form for the password, before something dangerous."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    return _prove(request, seen, browser.local_path(next))


@router.post("/account/prove")
async def prove(request: Request) -> Response:
    """Go on to what one wanted to do."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse("/login", 303)
    ctx: Context = request.app.state.ctx
    try:
        sent = await browser.read_form(request)
        browser.check_form(request, sent, seen)
    except BrokerError as error:
        return refusal_page(error, seen)
    onward = browser.local_path(sent.one("next"))
    try:
        await _check(request, ctx, seen, sent.one("password"))
    except (InvalidParams, RateLimited) as error:
        return _prove(request, seen, onward, error)
    await prove_session(ctx, seen)
    return RedirectResponse(onward, 303, {"cache-control": "no-store"})


async def _check(request: Request, ctx: Context, seen: SignedIn, password: str) -> None:
    """Go on only with the right password, with the same brake as at the door.

    Raises: InvalidParams, RateLimited.
    """
    throttle = request.app.state.face.throttle
    try:
        await check_password(ctx, throttle, seen.actor.email, Secret(password), browser.device(request))
    except Unauthorized:
        raise InvalidParams("The password is not right.") from None


def _prove(request: Request, seen: SignedIn, onward: str, fault: BrokerError | None = None) -> Response:
    status = 200 if fault is None else status_of(type(fault))
    return account_page(request, "prove.html", seen, status, here="", onward=onward, fault=fault and fault.message)


async def _profile(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    status = 200 if fault is None else status_of(type(fault))
    account = await get_account(request.app.state.ctx, seen.actor)
    return account_page(
        request, "profile.html", seen, status, here=_PROFILE, flash=flash(request, fault), account=account,
        since=moment(account.created_at),
    )  # fmt: skip


async def _security(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    status = 200 if fault is None else status_of(type(fault))
    sessions = [
        {
            "id": view.id,
            "description": view.description,
            "since": moment(view.created_at),
            "seen": moment(view.last_seen_at) if view.last_seen_at else None,
            "address": view.address,
        }
        for view in await list_sessions(ctx, seen.actor)
    ]
    return account_page(
        request, "security.html", seen, status, here=_SECURITY, flash=flash(request, fault), sessions=sessions,
        current=seen.session_id, factors=await get_factors(ctx, seen.actor),
    )  # fmt: skip
