"""The page on which a user decides what a client may do: what it asks for, in words, on which apps."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.addons.oidc import entry_by_hint
from broker.apps.queries import list_apps
from broker.kernel.context import Context, Scope
from broker.kernel.errors import BadRequest, BrokerError, InvalidParams
from broker.kernel.ids import as_uuid
from broker.oauth.authorize import Entry, Question, SignInNeeded, ask, decide
from broker.oauth.scopes import SENTENCES, api_scopes
from broker.oauth.server import Reply
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.browser import Form
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)

_MOST_PARAMETERS: Final = 50
_HARMLESS: Final = frozenset({Scope.IDENTITY})
_MIGHTY: Final = frozenset({Scope.GLOBAL, Scope.READ_PROTECTED, Scope.WRITE_PROTECTED})


@router.get("/oauth/authorize")
async def question(request: Request) -> Response:
    """Ask the user, who signs in first."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    try:
        params = _parameters(request)
        entry = await _entry(request, params.get("login_hint", ""), seen)
        asked = await ask(ctx, request.app.state.face.public_url, params, seen, entry)
        if isinstance(asked, Reply):
            return _told(asked)
        assert seen is not None, "nobody is asked before signing in"
        return await _page(request, asked, seen)
    except SignInNeeded:
        return browser.to_sign_in(request)
    except BrokerError as error:
        return refusal_page(error)


@router.post("/oauth/authorize")
async def answer(request: Request) -> Response:
    """Carry the decision back to the client."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    try:
        form = await browser.read_form(request)
        browser.check_form(request, form, seen)
        allow = form.one("decision") == "allow"
        issuer = request.app.state.face.public_url
        return _told(
            await decide(ctx, issuer, _parameters(request), seen, allow=allow, apps=_apps(form) if allow else None)
        )
    except BrokerError as error:
        return refusal_page(error)


async def _entry(request: Request, hint: str, seen: SignedIn | None) -> Entry | None:
    """What the hint of a provider stands for, to whose dashboard we have sent this browser or this user."""
    ours = hmac.compare_digest(hint.encode(), browser.entering(request).encode())
    signed_in = seen.actor.id if seen else None
    return await entry_by_hint(request.app.state.ctx, hint, same_browser=ours, signed_in=signed_in) if hint else None


def _parameters(request: Request) -> dict[str, str]:
    """What the client asks with, in the address, also when the user's decision is in the form.

    Raises: BadRequest for a parameter that is there twice.
    """
    try:
        query = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise BadRequest("The address can't be understood.") from None
    found = dict(pairs)
    if len(found) < len(pairs) or "\0" in "".join(found.values()):
        raise BadRequest("The address says something twice, or in characters that it may not have.")
    return {name: value for name, value in found.items() if value}


def _apps(form: Form) -> list[UUID] | None:
    """The apps that were chosen, or None for all.

    Raises: InvalidParams.
    """
    if form.one("apps") != "chosen":
        return None
    chosen = [as_uuid(text) for text in form.all("app")]
    if not chosen:
        raise InvalidParams("No app was chosen: go back, and choose at least one.")
    return [app for app in chosen if app is not None]


async def _page(request: Request, asked: Question, seen: SignedIn) -> Response:
    scopes = api_scopes(asked.reach.names)
    apps = [] if scopes <= _HARMLESS else await list_apps(request.app.state.ctx, seen.actor)
    limits = asked.reach.only_apps
    return page(
        "consent.html",
        form_action=_allowed(asked),
        asked=asked,
        email=seen.actor.email,
        sentences=[SENTENCES[name] for name in asked.reach.names],
        mighty=bool(scopes & _MIGHTY),
        apps=[app for app in apps if limits is None or app.id in limits],
        of_apps=bool(scopes - _HARMLESS),
        limited=limits is not None,
        form_token=browser.form_token(request, seen),
        address=f"/oauth/authorize?{request.scope['query_string'].decode('ascii')}",
    )


def _allowed(asked: Question) -> str:
    """Clients redirect after the answer, often to another host, and browsers hold that to form-action as well."""
    if asked.answer_scheme == "https":
        return "'self' https:"
    return "'self' http: https:" if asked.answer_scheme == "http" else f"'self' {asked.answer_scheme}:"


def _told(reply: Reply) -> Response:
    """On to the client; or, when it can't be trusted with an address, what is wrong."""
    if reply.location is not None:
        return RedirectResponse(reply.location, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})
    description = reply.body.get("error_description") or reply.body.get("error") or ""
    return page(
        "refused.html",
        400,
        heading="This program can't be connected",
        message=f"{description} Nothing was allowed. Whoever made the program has to correct this.",
        way_out=None,
    )
