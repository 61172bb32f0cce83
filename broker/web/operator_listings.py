"""Operators decide here what the marketplace shows: what is recommended, what goes on to its next state, what ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from broker.addons.sunset import announce_sunset, shut_down
from broker.catalog.featured import feature
from broker.catalog.listing import ListingView, get_listing
from broker.catalog.overview import overview
from broker.catalog.review import approve, refuse
from broker.catalog.views import INSTALLABLE_STATES, SUNSET
from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, InvalidParams, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.browser import Form
from broker.web.pages import Flash, page, refusal_page

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/listings"
_DONE: Final = {
    "featured": "It is featured on the first page now.",
    "unfeatured": "It is no longer featured.",
    "approved": "It is approved.",
    "refused": "It is refused; its owner reads your note.",
    "sunset": "Its end is announced to everybody who has it.",
    "shutdown": "It has ended.",
}
"""What the page may say after a form: its address names one of these."""
_LONGEST_TEXT: Final = 100

Deed = Callable[[Context, Actor, str, Form], Awaitable[str]]
"""Does what a form asks for, and says which of the above it was."""


@router.get("/operator/listings")
async def all_of_them(request: Request) -> Response:
    """Every service, those first that wait for a decision."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    query = request.query_params
    text, number = query.get("q", "").strip()[:_LONGEST_TEXT].replace("\0", ""), query.get("page", "1")
    place = int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 5 else 1
    try:
        rows, more = await overview(request.app.state.ctx, seen.actor, text, place)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    return page("operator_listings.html", seen=seen, place="operator", rows=rows, more=more, text=text, number=place)


@router.get("/operator/listings/{slug}")
async def one(request: Request, slug: str) -> Response:
    """One service, with everything that can be decided about it."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    return await _shown(request, seen, slug)


@router.post("/operator/listings/{slug}/feature")
async def recommend(request: Request, slug: str) -> Response:
    """Recommend it, or no longer."""
    return await _act(request, slug, _feature)


@router.post("/operator/listings/{slug}/review")
async def review(request: Request, slug: str) -> Response:
    """Decide about the review that is asked for."""
    return await _act(request, slug, _review)


@router.post("/operator/listings/{slug}/sunset")
async def sunset(request: Request, slug: str) -> Response:
    """Announce its end, or bring it about when the day has come."""
    return await _act(request, slug, _sunset)


async def _feature(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    featured = form.one("featured") == "1"
    await feature(ctx, actor, slug, featured=featured)
    return "featured" if featured else "unfeatured"


async def _review(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    note = form.one("note").strip()
    if form.one("decision") == "approve":
        override = form.one("override") == "1"
        await approve(ctx, actor, slug, form.all("checked"), note or None, override=override)
        return "approved"
    if not note:
        raise InvalidParams("Say in the note why it is refused: its owner reads it.")
    await refuse(ctx, actor, slug, note)
    return "refused"


async def _sunset(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    if form.one("decision") == "shutdown":
        await shut_down(ctx, actor, slug)
        return "shutdown"
    if form.one("confirm") != slug:
        raise InvalidParams(f"Type {slug} to confirm: everybody who has it is told at once.")
    try:
        at = datetime.strptime(form.one("at"), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidParams("Give the day on which it ends, such as 2027-03-31.") from None
    await announce_sunset(ctx, actor, slug, at, form.one("successor").strip() or None)
    return "sunset"


async def _act(request: Request, slug: str, deed: Deed) -> Response:
    """Take a form of an operator: check where it comes from, do it, and say so on the page."""
    seen = await browser.who(request)
    if seen is None:
        return RedirectResponse(f"/login?next={_HERE}", 303, {"cache-control": "no-store"})
    try:
        form = await browser.read_form(request)
        browser.check_form(request, form, seen)
        seen.actor.require_operator()
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    except BrokerError as error:
        return refusal_page(error, seen)
    try:
        done = await deed(request.app.state.ctx, seen.actor, slug, form)
    except BrokerError as error:
        return await _shown(request, seen, slug, error)
    return RedirectResponse(f"{_HERE}/{slug}?done={done}", 303, {"cache-control": "no-store"})


async def _shown(request: Request, seen: SignedIn, slug: str, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    try:
        seen.actor.require_operator()
        listing = await get_listing(ctx, seen.actor, slug)
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    said = Flash("bad", fault.message) if fault else _done(request)
    status = status_of(type(fault)) if fault else 200
    values = _facts(request, seen, listing)
    return page("operator_listing.html", status, seen=seen, flash=said, place="operator", **values)


def _done(request: Request) -> Flash | None:
    text = _DONE.get(request.query_params.get("done", ""))
    return Flash("good", text) if text else None


def _facts(request: Request, seen: SignedIn, listing: ListingView) -> dict[str, Any]:
    service, now = listing.service, request.app.state.ctx.clock.now()
    return {
        "service": service,
        "listing": listing,
        "listed": service.state in INSTALLABLE_STATES,
        "over": service.state == SUNSET and service.sunset_at is not None and service.sunset_at <= now,
        "today": f"{now:%Y-%m-%d}",
        "form_token": browser.form_token(request, seen),
    }
