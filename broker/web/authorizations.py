"""The page on which a user sees who may do what, when it was last used, and takes it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.authorizations import (
    AuthorizationView,
    CreateAuthorization,
    create_authorization,
    list_authorizations,
    revoke_authorization,
)
from broker.apps.queries import list_apps
from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import BrokerError, InvalidParams, NotFound
from broker.oauth.clients import client_names
from broker.oauth.disconnect import disconnect
from broker.oauth.scopes import SENTENCES
from broker.oauth.sessions import SignedIn, end_session
from broker.web import browser
from broker.web.browser import Form
from broker.web.inside import account_page, act, flash
from broker.web.moments import day, moment
from broker.web.pages import refusal_page

router = APIRouter(include_in_schema=False)
_HERE: Final = "/account/authorizations"
_LIVES: Final = ("7", "30", "365")
"""Days that a token may be asked for."""
_OWN: Final = {Scope.GLOBAL: "Do everything that you can do yourself."}
"""What is different for a token of the user's own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one token of the user's own, or one client with all its tokens, may do; in words."""

    name: str
    ending: str
    """Where the form goes that ends it."""
    may: list[str]
    apps: list[str] | None
    since: str
    last_used: str | None
    until: str | None
    renewable: bool
    """Whether using it puts the end off."""


@router.get("/account/authorizations")
async def overview(request: Request) -> Response:
    """Clients, and tokens of one's own."""
    seen = await browser.who(request)
    return browser.to_sign_in(request) if seen is None else await _overview(request, seen)


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    held = await list_authorizations(ctx, seen.actor)
    apps = {app.id: app.name for app in await list_apps(ctx, seen.actor)}
    return account_page(
        request,
        "authorizations.html",
        seen,
        200 if fault is None else status_of(type(fault)),
        here=_HERE,
        flash=flash(request, fault),
        clients=await _clients(ctx, held, apps),
        tokens=[_shown(_named(view), f"{_HERE}/{view.id}/revoke", [view], apps) for view in held if not view.client_id],
    )


@router.post("/account/clients/{client}/disconnect")
async def leave(request: Request, client: str) -> Response:
    """Take back all that a client was allowed, at once."""
    return await _ending(request, disconnect, client)


@router.post("/account/authorizations/{authorization}/revoke")
async def revoke(request: Request, authorization: str) -> Response:
    """Take back a token of one's own, at once."""
    return await _ending(request, revoke_authorization, authorization)


@router.post("/account/sessions/{session}/end")
async def end(request: Request, session: str) -> Response:
    """Sign a browser out."""
    return await _ending(request, end_session, session, "/account/security")


@router.post("/account/tokens")
async def make(request: Request) -> Response:
    """Make a token of one's own; only this page shows it."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        if sent.one("days") not in _LIVES:
            raise InvalidParams("days: is not one of those on the page.")
        life = timedelta(days=int(sent.one("days")))
        wanted = CreateAuthorization(sent.one("description"), [sent.one("scope")], life)
        made = await create_authorization(ctx, seen.actor, wanted)
        assert made.token is not None, "it was just made"
        shown = {"token": made.token.reveal(), "description": made.description}
        return account_page(request, "token.html", seen, 200, here=_HERE, **shown)

    return await act(request, deed, _overview, _HERE, "", dangerous=True)


async def _ending(
    request: Request, use_case: Callable[[Context, Actor, str], Awaitable[object]], key: str, back: str = _HERE
) -> Response:
    """End it and show what is left; what is gone already is what was wanted."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    try:
        browser.check_form(request, await browser.read_form(request), seen)
        with suppress(NotFound):
            await use_case(ctx, seen.actor, key)
    except BrokerError as error:
        return refusal_page(error)
    return RedirectResponse(back, 303)


async def _clients(ctx: Context, held: Sequence[AuthorizationView], apps: Mapping[UUID, str]) -> list[Shown]:
    """One entry per client, however often it was let in: who shows it the door means all of it."""
    by_client: dict[UUID, list[AuthorizationView]] = {}
    for view in held:
        if view.client_id is not None:
            by_client.setdefault(view.client_id, []).append(view)
    names = await client_names(ctx, by_client)
    return [
        _shown(names[client].name, f"/account/clients/{client}/disconnect", views, apps)
        for client, views in by_client.items()
    ]


def _shown(name: str, ending: str, views: Sequence[AuthorizationView], apps: Mapping[UUID, str]) -> Shown:
    scopes = {scope for view in views for scope in view.scopes}
    sentences = SENTENCES if any(view.client_id for view in views) else SENTENCES | _OWN
    limits = [view.only_apps for view in views if view.only_apps is not None]
    only = {app for limit in limits for app in limit} if len(limits) == len(views) else None
    ends = [view.renewable_until or view.expires_at for view in views]
    last_used = max((view.last_used_at for view in views if view.last_used_at), default=None)
    until = None if None in ends else max(end for end in ends if end is not None)
    return Shown(
        name=name,
        ending=ending,
        may=[sentence for scope, sentence in sentences.items() if scope in scopes],
        apps=None if only is None else sorted(apps.get(app, "an app that is gone") for app in only),
        since=day(min(view.created_at for view in views)),
        last_used=None if last_used is None else moment(last_used),
        until=None if until is None else day(until),
        renewable=any(view.renewable_until for view in views),
    )


def _named(view: AuthorizationView) -> str:
    return view.description or "Without a description"
