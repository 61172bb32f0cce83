"""The second factor: an authenticator app with its QR code, recovery codes, passkeys. Everything here is dangerous."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from broker.accounts.passkeys import add_passkey, begin_passkey, list_passkeys, remove_passkey
from broker.accounts.totp import as_typed, as_uri
from broker.accounts.two_factor import (
    Factors,
    ask_for_codes,
    begin_app,
    confirm_app,
    get_factors,
    remove_app,
    renew_codes,
)
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn, end_other_sessions
from broker.web import browser
from broker.web.browser import Form
from broker.web.inside import Deed, account_page, act, flash, needs_proof
from broker.web.login import SCRIPTS
from broker.web.moments import day
from broker.web.passkey_site import site_of, usable_site

router = APIRouter(include_in_schema=False)
_HERE = "/account/two-factor"
_ISSUER = "Addon Broker"


@router.get(_HERE)
async def overview(request: Request) -> Response:
    """What there is, and the forms to change it."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    return needs_proof(request, seen, _HERE) or await _overview(request, seen)


@router.post(f"{_HERE}/app")
async def turn_on(request: Request) -> Response:
    """Turn the authenticator app on with a code of it."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response | None:
        return await _begun(request, seen, await confirm_app(ctx, seen.actor, sent.one("code")))

    return await _act(request, deed, "policy")


@router.post(f"{_HERE}/app/remove")
async def turn_off(request: Request) -> Response:
    """Do without it."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await remove_app(ctx, seen.actor)

    return await _act(request, deed, "removed")


@router.post(f"{_HERE}/codes")
async def new_codes(request: Request) -> Response:
    """Make fresh recovery codes."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> Response | None:
        return _codes(request, seen, await renew_codes(ctx, seen.actor))

    return await _act(request, deed, "policy")


@router.post(f"{_HERE}/policy")
async def policy(request: Request) -> Response:
    """Whether commands that destroy ask for a code as well."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        await ask_for_codes(ctx, seen.actor, wanted=sent.one("asks_for_codes") == "yes")

    return await _act(request, deed, "policy")


@router.post("/account/passkeys")
async def add(request: Request) -> Response:
    """Keep a passkey that the browser has made."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response | None:
        site = site_of(request)
        if site is None:
            raise InvalidParams("Passkeys need an installation with a host name.")
        made = await add_passkey(ctx, seen.actor, site, sent.one("state"), sent.one("answer"), sent.one("name"))
        return await _begun(request, seen, made)

    return await _act(request, deed, "policy")


@router.post("/account/passkeys/{passkey}/remove")
async def remove(request: Request, passkey: str) -> Response:
    """Do without one."""

    async def deed(ctx: Context, seen: SignedIn, _sent: Form) -> None:
        await remove_passkey(ctx, seen.actor, passkey)

    return await _act(request, deed, "removed")


async def _act(request: Request, deed: Deed, done: str) -> Response:
    return await act(request, deed, _overview, _HERE, done, dangerous=True)


async def _begun(request: Request, seen: SignedIn, codes: Sequence[Secret]) -> Response | None:
    """With the first factor, every other browser is signed out: there, nobody has shown one."""
    if codes:
        await end_other_sessions(request.app.state.ctx, seen)
    return _codes(request, seen, codes)


def _codes(request: Request, seen: SignedIn, codes: Sequence[Secret]) -> Response | None:
    """The page that shows recovery codes, this once; without any, back to where one came from."""
    if not codes:
        return None
    shown = [code.reveal() for code in codes]
    return account_page(request, "recovery_codes.html", seen, 200, here=_HERE, codes=shown)


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    factors = await get_factors(ctx, seen.actor)
    keys = [
        {
            "id": key.id,
            "name": key.name,
            "since": day(key.created_at),
            "used": key.last_used_at and day(key.last_used_at),
        }
        for key in await list_passkeys(ctx, seen.actor)
    ]
    parts = {**await _app(ctx, seen, factors), **await _passkey(request, seen)}
    return account_page(
        request, "two_factor.html", seen, 200 if fault is None else status_of(type(fault)), here=_HERE,
        flash=flash(request, fault), factors=factors, keys=keys, **parts,
    )  # fmt: skip


async def _app(ctx: Context, seen: SignedIn, factors: Factors) -> dict[str, Any]:
    """What is shown to set an app up: the secret as a picture, and to be typed."""
    if factors.has_app:
        return {"qr": None, "typed": None}
    secret = base64.b64decode((await begin_app(ctx, seen.actor)).reveal())
    picture = segno.make(as_uri(secret, seen.actor.email, _ISSUER), error="m", micro=False)
    drawn = picture.svg_inline(scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)
    return {"qr": Markup(drawn), "typed": as_typed(secret)}  # noqa: S704 - drawn by the library, of nothing but squares


async def _passkey(request: Request, seen: SignedIn) -> dict[str, Any]:
    """What is needed to add a passkey on this page; or where it can be done."""
    site, named = usable_site(request), site_of(request)
    if site is None:
        return {"passkey": None, "scripts": (), "elsewhere": named and named.origin}
    challenge = await begin_passkey(request.app.state.ctx, seen.actor, site)
    asked = {"options": json.dumps(dict(challenge.options)), "state": challenge.state}
    return {"passkey": asked, "scripts": SCRIPTS, "elsewhere": None}
