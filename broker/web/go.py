"""Addresses of dashboards that last: for mails, chats and documentation, and for the start URLs of the old platform.

They carry no permission. Whoever follows one has to be signed in here, and sees what is theirs alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from broker.addons.opening import visit_by_attachment, visit_meant
from broker.addons.sso import sign_on
from broker.addons.tickets import Visit
from broker.catalog.sso_paths import path_complaint
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.web import browser
from broker.web.sso import hand_over, refused

router = APIRouter(include_in_schema=False)


@router.get("/go/{resource}")
async def go(request: Request, resource: str, to: str = "") -> Response:
    """To the dashboard of an add-on, by its name or id, and to a place in it."""
    return await _enter(request, to, lambda ctx, actor: visit_meant(ctx, actor, resource, None, to))


@router.get("/sso/apps/{app}/addons/{addon}")
async def of_app(request: Request, app: str, addon: str, path: str = "") -> Response:
    """The same from an app. Other parameters are ignored."""
    return await _enter(request, path, lambda ctx, actor: visit_meant(ctx, actor, addon, app, path))


@router.get("/sso/apps/{app}/attachments/{attachment}")
async def of_attachment(request: Request, app: str, attachment: str, path: str = "") -> Response:
    """The same by the name or id of an attachment."""
    return await _enter(request, path, lambda ctx, actor: visit_by_attachment(ctx, actor, app, attachment, path))


async def _enter(request: Request, path: str, find: Callable[[Context, Actor], Awaitable[Visit]]) -> Response:
    ctx: Context = request.app.state.ctx
    try:
        if path and (complaint := path_complaint(path)):
            raise InvalidParams(f"The path {complaint}")
        seen = await browser.who(request)
        if seen is None:
            return browser.to_sign_in(request)
        issuer: str = request.app.state.face.public_url
        return hand_over(request, await sign_on(ctx, await find(ctx, seen.actor), issuer))
    except BrokerError as error:
        return refused(error)
