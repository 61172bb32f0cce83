"""The page on which a user sees who may do what, when it was last used, and takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.authorizations import AuthorizationView, list_authorizations, revoke_authorization
from broker.apps.queries import list_apps
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.clients import ClientName, client_names
from broker.oauth.scopes import SENTENCES
from broker.oauth.sessions import SessionView, end_session, list_sessions
from broker.web import browser
from broker.web.pages import page, refusal_page

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """One authorization, in words."""

    id: UUID
    name: str
    may: list[str]
    apps: list[str] | None
    since: str
    last_used: str | None
    until: str | None


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
    names = await client_names(ctx, [view.client_id for view in held])
    apps = {app.id: app.name for app in await list_apps(ctx, seen.actor)}
    shown = [_shown(view, names, apps) for view in held]
    clients = {view.id for view in held if view.client_id is not None}
    return page(
        "authorizations.html",
        form_action="'self'",
        email=seen.actor.email,
        clients=[item for item in shown if item.id in clients],
        tokens=[item for item in shown if item.id not in clients],
        sessions=[_session(view) for view in await list_sessions(ctx, seen.actor)],
        current=seen.session_id,
        form_token=browser.form_token(request, seen),
    )


@router.post("/account/authorizations/{authorization}/revoke")
async def revoke(request: Request, authorization: str) -> Response:
    """Take it back, at once."""
    return await _ending(request, "authorization", authorization)


@router.post("/account/sessions/{session}/end")
async def end(request: Request, session: str) -> Response:
    """Sign a browser out."""
    return await _ending(request, "session", session)


async def _ending(request: Request, kind: str, key: str) -> Response:
    """End it and show what is left; what is gone already is what was wanted."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    try:
        browser.check_form(request, await browser.read_form(request), seen)
        await (revoke_authorization if kind == "authorization" else end_session)(ctx, seen.actor, key)
    except NotFound:
        pass
    except BrokerError as error:
        return refusal_page(error)
    return RedirectResponse(browser.HOME, 303)


def _shown(view: AuthorizationView, names: Mapping[UUID, ClientName], apps: Mapping[UUID, str]) -> Shown:
    client = names.get(view.client_id) if view.client_id else None
    only = None if view.only_apps is None else sorted(apps.get(app, "an app that is gone") for app in view.only_apps)
    until = view.renewable_until or view.expires_at
    return Shown(
        id=view.id,
        name=client.name if client else view.description or "Without a description",
        may=[SENTENCES.get(scope, scope) for scope in view.scopes],
        apps=only,
        since=_day(view.created_at),
        last_used=None if view.last_used_at is None else _moment(view.last_used_at),
        until=None if until is None else _day(until),
    )


def _session(view: SessionView) -> dict[str, object]:
    return {"id": view.id, "description": view.description, "since": _moment(view.created_at)}


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"


def _moment(instant: datetime) -> str:
    """Rounded down to five minutes, which is as exactly as it is known."""
    return f"{_day(instant)}, about {instant.hour:02}:{instant.minute // 5 * 5:02} UTC"
