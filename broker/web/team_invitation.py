"""Answering an invitation to a team: by the link of the mail, which is led through signing in or up where that is needed; or
on the page of teams, for whoever has the account that was asked.

The link's token stands in an address once, and is kept by the browser from there on, for as long as signing up may take.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.routing import Route

from broker.apps.team_invitations import accept_invitation, ask_for_account, decline_invitation, invitation_by_token
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams, NotFound
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import onward, taken
from broker.web.browser import Form
from broker.web.doorstep import outside, sent_from_outside
from broker.web.moments import day
from broker.web.pages import page, refusal_page
from broker.web.sign_up import CLOSED
from broker.web.team_home import all_teams
from broker.web.team_pages import ROLE_WORDS, TEAMS, WITH_TEAM, team_address

router = APIRouter(include_in_schema=False)
_JOIN: Final = browser.JOINING
_TOKEN: Final = re.compile("[A-Za-z0-9_-]{1,100}")
"""What a cookie takes; all tokens of ours are such."""


async def question(request: Request) -> Response:
    """Who asks, into which team; with the way to sign in for whoever has not."""
    token = request.query_params.get("token", "")
    if token:
        response = RedirectResponse(_JOIN, 303, {"cache-control": "no-store"})
        browser.keep_invited(request, response, Secret(token) if _TOKEN.fullmatch(token) else None)
        return response
    return await _question(request, await browser.who(request))


FIRST: Final = Route(_JOIN, question, methods=["GET"], include_in_schema=False)
"""Before the pages of teams, none of which is called so."""


@router.post(_JOIN + "/account")
async def make_account(request: Request) -> Response:
    """Send a link for an account to the address that was invited. With it, one comes back to the question in this browser."""
    if not _lets_in(request):
        return refusal_page(NotFound("page", CLOSED))
    try:
        await sent_from_outside(request)
    except BrokerError as error:
        return refusal_page(error)
    try:
        email = await ask_for_account(request.app.state.ctx, _token(request))
    except BrokerError as error:
        return refusal_page(error)
    what = "Open the link in it within a day in this browser, and choose a password. The invitation is answered after that."
    return page("mail_sent.html", email=email, what=what)


@router.post(_JOIN)
async def answer(request: Request) -> Response:
    """Come into the team, or say no."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        response = await _answered(ctx, seen, sent, token=_token(request))
        browser.keep_invited(request, response, None)
        return response

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, fault)

    return await taken(request, deed, show, _JOIN)


@router.post(TEAMS + "/invitations/{team_invitation}")
async def answer_own(request: Request, team_invitation: str) -> Response:
    """The same for one to the address of the account."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        return await _answered(ctx, seen, sent, key=team_invitation)

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await all_teams(request, seen, fault, None)

    return await taken(request, deed, show, TEAMS)


async def _answered(ctx: Context, seen: SignedIn, sent: Form, token: Secret | None = None, key: str = "") -> Response:
    if sent.one("decision") == "accept":
        view = await accept_invitation(ctx, seen.actor, token=token, key=key)
        return onward(team_address(view.team_name), "joined")
    await decline_invitation(ctx, seen.actor, token=token, key=key)
    return onward(TEAMS, "declined")


async def _question(request: Request, seen: SignedIn | None, fault: BrokerError | None = None) -> Response:
    try:
        view = await invitation_by_token(request.app.state.ctx, _token(request))
    except InvalidParams as error:
        response = refusal_page(error, seen)
        browser.keep_invited(request, response, None)
        return response
    told: dict[str, Any] = {
        "invited": view,
        "may": ROLE_WORDS[view.role],
        "until": day(view.expires_at),
        "may_sign_up": _lets_in(request),
        "onward": _JOIN,
    }
    if seen is None:
        return outside(request, "team_join.html", **told)
    token = browser.form_token(request, seen)
    status = status_of(type(fault)) if fault else 200
    return page("team_join.html", status, seen=seen, fault=fault and fault.message, form_token=token, **told)


def _lets_in(request: Request) -> bool:
    """Whether somebody may make an account because a team has invited them."""
    return request.app.state.sign_up in WITH_TEAM


def _token(request: Request) -> Secret:
    """What the browser keeps of the link.

    Raises: InvalidParams if it keeps nothing.
    """
    token = browser.invited(request)
    if token is None:
        raise InvalidParams("This browser knows of no invitation. Open the link in the mail once more.")
    return token
