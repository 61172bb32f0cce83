"""Choosing a new password without the old one: by a link that is sent to the account's address."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.change import ask_for_reset, reset_address, reset_password
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams, RateLimited
from broker.kernel.secret import Secret
from broker.web import browser
from broker.web.doorstep import outside, sent_from_outside
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)


@router.get("/reset")
async def form(request: Request) -> Response:
    """The form for an address."""
    return outside(request, "reset.html", email="")


@router.post("/reset")
async def ask(request: Request) -> Response:
    """Send a mail, if there is such an account; the answer is the same for every address."""
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    email = sent.one("email").strip()
    try:
        await ask_for_reset(request.app.state.ctx, email)
    except (InvalidParams, RateLimited) as error:
        return outside(request, "reset.html", error, email=email)
    what = (
        "If there is an account with this address, open the link in the mail within an hour, and choose a new password."
    )
    return page("mail_sent.html", email=email, what=what)


@router.get("/reset/choose")
async def choose(request: Request, token: str = "") -> Response:
    """The form for the new password."""
    return await _choose(request, token)


@router.post("/reset/choose")
async def change(request: Request) -> Response:
    """Set it. Signing in is a step of its own, with the second factor where there is one: a mailbox alone lets nobody in."""
    ctx: Context = request.app.state.ctx
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    token, revoke = sent.one("token"), sent.one("revoke_tokens") == "yes"
    try:
        await reset_password(ctx, Secret(token), Secret(sent.one("password")), revoke_tokens=revoke)
    except InvalidParams as error:
        return await _choose(request, token, error)
    response = RedirectResponse("/login?done=password", 303, {"cache-control": "no-store"})
    browser.drop_session(request, response)
    return response


async def _choose(request: Request, token: str, fault: BrokerError | None = None) -> Response:
    try:
        email = await reset_address(request.app.state.ctx, Secret(token))
    except InvalidParams as error:  # with the form for another link below it
        return outside(request, "reset.html", error, email="")
    return outside(request, "reset_choose.html", fault, email=email, token=token)
