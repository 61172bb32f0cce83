"""The account itself: name and address; the password, and where one is signed in; showing again who one is."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.account import get_account
from broker.accounts.change import ask_to_change_email, change_email, change_password, rename_person
from broker.accounts.login import Entrant, check_password
from broker.accounts.passkeys import ask_for_passkey, sign_in_with_passkey
from broker.accounts.two_factor import check_code, get_factors
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams, RateLimited, TwoFactorRequired, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn, end_other_sessions, list_sessions, prove_session
from broker.web import browser
from broker.web.browser import Form
from broker.web.doorstep import let_in
from broker.web.inside import account_page, act, flash, needs_proof
from broker.web.login import SCRIPTS
from broker.web.moments import moment
from broker.web.pages import refusal_page
from broker.web.passkey_site import site_of, usable_site

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
    """Change the password, for whoever knows the old one; every session ends, and a new one begins here.

    The new one counts as proved; so where there is a second factor, that has to be shown before.
    """

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        entrant = await _check_password(request, ctx, seen, sent.one("old"))
        if entrant.needs_code and (proof := needs_proof(request, seen, _SECURITY)) is not None:
            return proof
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
    """The form for the password, and the second factor where there is one, before something dangerous."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    return await _prove(request, seen, browser.local_path(next))


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
        await _check(request, ctx, seen, sent)
    except (InvalidParams, RateLimited, TwoFactorRequired) as error:
        return await _prove(request, seen, onward, error)
    response = RedirectResponse(onward, 303, {"cache-control": "no-store"})
    browser.keep_session(request, response, await prove_session(ctx, seen))
    return response


async def _check(request: Request, ctx: Context, seen: SignedIn, sent: Form) -> None:
    """Go on only with all that signing in takes: a passkey; or the password, and a code where one is needed.

    Raises: InvalidParams, TwoFactorRequired, RateLimited.
    """
    if sent.one("answer"):
        await _check_passkey(request, ctx, seen, sent)
        return
    entrant = await _check_password(request, ctx, seen, sent.one("password"))
    if not entrant.needs_code:
        return
    if not sent.one("code").strip():
        raise InvalidParams("code: is missing. Your account has a second factor.")
    await check_code(ctx, entrant.id, entrant.email, Secret(sent.one("code")), entrant.device)


async def _check_password(request: Request, ctx: Context, seen: SignedIn, password: str) -> Entrant:
    """Go on only with the right password, with the same brake as at the door.

    Raises: InvalidParams, RateLimited.
    """
    throttle = request.app.state.face.throttle
    try:
        return await check_password(ctx, throttle, seen.actor.email, Secret(password), browser.device(request))
    except Unauthorized:
        raise InvalidParams("The password is not right.") from None


async def _check_passkey(request: Request, ctx: Context, seen: SignedIn, sent: Form) -> None:
    """Go on only with a passkey of this very user, which is both factors.

    Raises: InvalidParams.
    """
    site = site_of(request)
    try:
        if site is None:
            raise Unauthorized("Passkeys need an installation with a host name.")
        shown = await sign_in_with_passkey(ctx, site, sent.one("state"), sent.one("answer"), _bound(seen))
    except Unauthorized as error:
        raise InvalidParams(error.message) from None
    if shown.id != seen.actor.id:
        raise InvalidParams("This passkey belongs to another account.")


def _bound(seen: SignedIn) -> str:
    """What the challenge of a passkey is bound to: this session, and this purpose."""
    return f"prove {seen.session_id}"


async def _prove(request: Request, seen: SignedIn, onward: str, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    status = 200 if fault is None else status_of(type(fault))
    factors = await get_factors(ctx, seen.actor)
    asked: dict[str, Any] = {"passkey": None, "scripts": ()}
    site = usable_site(request)
    if factors.passkeys and site is not None:
        challenge = ask_for_passkey(ctx, site, _bound(seen))
        passkey = {"options": json.dumps(dict(challenge.options)), "state": challenge.state}
        asked = {"passkey": passkey, "scripts": SCRIPTS}
    return account_page(
        request, "prove.html", seen, status, here="", onward=onward, fault=fault and fault.message, factors=factors,
        **asked,
    )  # fmt: skip


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
