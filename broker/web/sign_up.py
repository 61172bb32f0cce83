"""Making an account: ask for a link by mail, follow it, choose a password. No page tells whose address has an account."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from broker.accounts.sign_up import ask_to_sign_up, check_open, confirmed_address, make_account
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, Conflict, InvalidParams, NotFound, Paused, RateLimited
from broker.kernel.secret import Secret
from broker.web import browser
from broker.web.doorstep import let_in, outside, sent_from_outside
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)
CLOSED = "Accounts are made by invitation here. Ask those who run this installation."


@router.get("/signup")
async def form(request: Request) -> Response:
    """The form for an address, or the word that one has to be invited."""
    if request.app.state.sign_up != "open":
        return refusal_page(NotFound("page", CLOSED))
    try:
        await check_open(request.app.state.ctx)
    except Paused as error:
        return refusal_page(error)
    return outside(request, "sign_up.html", email="")


@router.post("/signup")
async def ask(request: Request) -> Response:
    """Send a mail; the answer is the same for every address."""
    if request.app.state.sign_up != "open":
        return refusal_page(NotFound("page", CLOSED))
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    email = sent.one("email").strip()
    try:
        await ask_to_sign_up(request.app.state.ctx, email)
    except Paused as error:
        return refusal_page(error)
    except (InvalidParams, RateLimited) as error:
        return outside(request, "sign_up.html", error, email=email)
    return page("mail_sent.html", email=email, what="Open the link in it within a day, and choose a password.")


@router.get("/confirm")
async def choose(request: Request, token: str = "") -> Response:
    """The form for a password, which uses the link up when it is sent: programs that look through mail open links, too."""
    return await _choose(request, token)


@router.post("/confirm")
async def confirm(request: Request) -> Response:
    """Make the account, and sign in with it."""
    ctx: Context = request.app.state.ctx
    try:
        sent = await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    token, name = sent.one("token"), sent.one("name")
    if request.app.state.sign_up == "closed":
        return refusal_page(NotFound("page", CLOSED))
    try:
        made = await make_account(ctx, Secret(token), Secret(sent.one("password")), name)
    except Paused as error:
        return refusal_page(error)
    except (InvalidParams, Conflict) as error:
        return await _choose(request, token, error, name)
    return await let_in(request, made, browser.JOINING if browser.invited(request) else browser.HOME)


async def _choose(request: Request, token: str, fault: BrokerError | None = None, name: str = "") -> Response:
    try:
        email = await confirmed_address(request.app.state.ctx, Secret(token))
    except InvalidParams as error:  # with the form for another link below it, where one can ask for it
        is_open = request.app.state.sign_up == "open"
        return outside(request, "sign_up.html", error, email="") if is_open else refusal_page(error)
    return outside(request, "confirm.html", fault, email=email, token=token, name=name)
