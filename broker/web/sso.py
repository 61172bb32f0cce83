"""The pages behind `addons:open` and behind links into dashboards: who comes with a signed link or is signed in here is
signed on at the provider, by a form that the browser posts. Nobody else is told whether there is such an add-on."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.addons.sso import SignOn, sign_on_by_ticket
from broker.addons.tickets import Visit, mint_ticket
from broker.kernel.context import Actor, Context, Scope, reaches
from broker.kernel.errors import (
    BrokerError,
    Conflict,
    Forbidden,
    InvalidParams,
    MultipleMatches,
    NotFound,
    Overloaded,
    PaymentRequired,
)
from broker.kernel.ids import as_uuid
from broker.web import browser
from broker.web.pages import page

router = APIRouter(include_in_schema=False)

_FRESH_LINK: Final = ("Get a fresh link:", "broker addons:open NAME")
_REFUSALS: Final[dict[type[BrokerError], tuple[int, str, tuple[str, str] | None]]] = {
    Forbidden: (403, "This link can't be used", _FRESH_LINK),
    NotFound: (404, "There is no such add-on", ("See which there are:", "broker addons --all")),
    Conflict: (409, "Not ready to be opened", None),
    PaymentRequired: (402, "It is suspended", ("See what is owed:", "broker billing:status")),
    InvalidParams: (422, "There is nothing to open", None),
    MultipleMatches: (422, "Which one?", ("See which there are:", "broker addons --all")),
    Overloaded: (503, "Please try again", _FRESH_LINK),
}
"""Status, heading, and what helps: in words, and the command."""


def sign_on_url(
    ctx: Context, public_url: str, actor: Actor, addon_id: UUID, app_id: UUID, ttl_s: int, path: str = ""
) -> str:
    """The link with which this user, and nobody else, opens the add-on from the app. Units: `ttl_s` in seconds.

    It lets its bearer in, for a short time. So a token that may not do everything gets the address alone, where one has to
    be signed in: a program that a user lets read must not become the user at every provider.
    """
    if not reaches(actor.scopes, Scope.GLOBAL) or actor.only_apps is not None:
        return f"{public_url}/sso/apps/{app_id}/addons/{addon_id}"
    expires_at = ctx.wall.now() + timedelta(seconds=ttl_s)
    ticket = mint_ticket(ctx.vault, Visit(actor.id, addon_id, app_id, path), expires_at)
    return f"{public_url}/sso/addons/{addon_id}?ticket={ticket}"


@router.get("/sso/addons/{addon_id}")
async def open_addon(request: Request, addon_id: str, ticket: str = "") -> Response:
    """Sign on. Without JavaScript there is a button to press."""
    ctx: Context = request.app.state.ctx
    try:
        wanted = as_uuid(addon_id)
        if wanted is None:
            raise NotFound("add_on")
        issuer: str = request.app.state.face.public_url
        return hand_over(request, await sign_on_by_ticket(ctx, ticket, wanted, issuer))
    except BrokerError as error:
        return refused(error)


def hand_over(request: Request, signed: SignOn) -> Response:
    """The page that sends the browser on to the provider."""
    if signed.method == "get":
        onward = RedirectResponse(signed.action, 303, {"referrer-policy": "no-referrer", "cache-control": "no-store"})
        if signed.hint:
            browser.keep_entering(request, onward, signed.hint)
        return onward
    nonce, parts = secrets.token_urlsafe(16), urlsplit(signed.action)
    # Dashboards redirect after the post, often to another host, and browsers hold that to form-action as well.
    allowed = "https:" if parts.scheme == "https" else "http: https:"
    return page(
        "sign_on.html", form_action=allowed, script=f"'nonce-{nonce}'", sign_on=signed, origin=parts.netloc, nonce=nonce
    )


def refused(error: BrokerError) -> Response:
    """The page that says why there is nothing to see."""
    status, heading, way_out = _REFUSALS.get(type(error), (500, "Something went wrong", None))
    return page("refused.html", status, heading=heading, message=error.message, way_out=way_out)
