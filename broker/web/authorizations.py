"""The page on which a user sees who may do what, when it was last used, and takes it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.authorizations import AuthorizationView, list_authorizations, revoke_authorization
from broker.apps.queries import list_apps
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.clients import client_names
from broker.oauth.disconnect import disconnect
from broker.oauth.scopes import SENTENCES
from broker.oauth.sessions import SessionView, end_session, list_sessions
from broker.web import browser
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)
_HERE: Final = "/account/authorizations"
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


@router.get("/account")
async def home() -> Response:
    """The only page of the account so far."""
    return RedirectResponse(browser.HOME, 303)


@router.get("/account/authorizations")
async def overview(request: Request) -> Response:
    """Clients, tokens of one's own, and browsers."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    held = await list_authorizations(ctx, seen.actor)
    apps = {app.id: app.name for app in await list_apps(ctx, seen.actor)}
    return page(
        "authorizations.html",
        seen=seen,
        place="account",
        here=browser.HOME,
        email=seen.actor.email,
        clients=await _clients(ctx, held, apps),
        tokens=[_shown(_named(view), f"{_HERE}/{view.id}/revoke", [view], apps) for view in held if not view.client_id],
        sessions=[_session(view) for view in await list_sessions(ctx, seen.actor)],
        current=seen.session_id,
        form_token=browser.form_token(request, seen),
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
    return await _ending(request, end_session, session)


async def _ending(request: Request, use_case: Callable[[Context, Actor, str], Awaitable[object]], key: str) -> Response:
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
    return RedirectResponse(browser.HOME, 303)


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
        since=_day(min(view.created_at for view in views)),
        last_used=None if last_used is None else _moment(last_used),
        until=None if until is None else _day(until),
        renewable=any(view.renewable_until for view in views),
    )


def _named(view: AuthorizationView) -> str:
    return view.description or "Without a description"


def _session(view: SessionView) -> dict[str, object]:
    return {"id": view.id, "description": view.description, "since": _moment(view.created_at)}


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"


def _moment(instant: datetime) -> str:
    """Rounded down to five minutes, which is as exactly as it is known."""
    return f"{_day(instant)}, about {instant.hour:02}:{instant.minute // 5 * 5:02} UTC"
