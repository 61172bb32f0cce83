"""The page behind `addons:open`: checks the signed link, then lets the browser post the sign-on to the provider."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from broker.addons.sso import SignOn, mint_ticket, read_ticket, sign_on
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, Conflict, Forbidden, NotFound
from broker.web.pages import page

router = APIRouter(include_in_schema=False)


def sign_on_url(ctx: Context, public_url: str, actor: Actor, addon_id: UUID, app_id: UUID, ttl_s: int) -> str:
    """The short-lived link with which this user, and nobody else, opens the add-on from the app. Units: seconds."""
    ticket = mint_ticket(ctx.vault, actor.id, addon_id, app_id, ctx.clock.now() + timedelta(seconds=ttl_s))
    return f"{public_url}/sso/addons/{addon_id}?ticket={ticket}"


@router.get("/sso/addons/{addon_id}")
async def open_addon(request: Request, addon_id: str, ticket: Annotated[str, Query(max_length=400)] = "") -> Response:
    """Sign on. Without JavaScript there is a button to press."""
    ctx: Context = request.app.state.ctx
    try:
        wanted = UUID(addon_id)
        user_id, app_id = read_ticket(ctx.vault, ticket, wanted, ctx.clock.now())
        return _hand_over(await sign_on(ctx, user_id, wanted, app_id))
    except ValueError:
        return _refused(NotFound("add_on"))
    except BrokerError as error:
        return _refused(error)


def _hand_over(signed: SignOn) -> Response:
    if signed.method == "get":
        return RedirectResponse(signed.action, 303, {"referrer-policy": "no-referrer", "cache-control": "no-store"})
    nonce, parts = secrets.token_urlsafe(16), urlsplit(signed.action)
    origin = f"{parts.scheme}://{parts.netloc}"
    # The provider redirects after the post, and browsers hold that to form-action as well: its own origin suffices.
    return page(
        "sign_on.html", form_action=origin, script=f"'nonce-{nonce}'", sign_on=signed, origin=parts.netloc, nonce=nonce
    )


def _refused(error: BrokerError) -> Response:
    status = 403 if isinstance(error, Forbidden) else 404 if isinstance(error, NotFound) else 409
    headings = {403: "This link can't be used", 404: "There is no such add-on", 409: "Not ready to be opened"}
    command = None if isinstance(error, Conflict) else "broker addons:open NAME"
    return page("refused.html", status, heading=headings[status], message=error.message, command=command)
